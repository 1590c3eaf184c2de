import { CodecError, IoError, type LimitError, UsageError } from "../errors.ts";
import { quoted, withoutTrailing } from "../text.ts";
import { rateLimitReset, retryAfter } from "./retry.ts";

export interface HttpOptions {
  /** Replaces the global `fetch`: a proxy, a signer, a test. */
  readonly fetch?: typeof globalThis.fetch;
  /** Sent with each request, such as `Authorization`. `fetch` drops that one when a redirect leaves the origin. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Milliseconds without progress (an answer, then every 4 KiB) before a request counts as failed. Default 60 000. */
  readonly stallTimeout?: number;
}

/** A fault that a repetition may avoid, with the error to report if it persists. */
export class TransientFault extends Error {
  readonly error: IoError;
  /** Milliseconds that the server asked to wait. */
  readonly after: number | undefined;
  constructor(error: IoError, after?: number) {
    super(error.message);
    this.error = error;
    this.after = after;
  }
}

/** Bytes that must come within the stall timeout. */
const LEAST_PROGRESS = 4096;

/** Timeouts, rate limits and overload: the same request may succeed later. Other statuses are final. */
const transientStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Refuses a header that cannot be sent before `fetch` does, whose message quotes the value: a token, mostly.
 * @throws UsageError that names the header only
 */
export function checkHeaders(headers: Readonly<Record<string, string>> = {}): void {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue;
    throw new UsageError(`The header ${quoted(name)} has characters that cannot be sent.`, {
      hint: "Check the token: it must be one line of plain characters.",
    });
  }
}

/** One request with its own cancellation: by the caller, after a stall, or when the rest of the body is not needed. */
export class HttpRequest {
  /** The URL for people, in errors. */
  readonly name: string;
  readonly #url: string;
  readonly #options: HttpOptions;
  readonly #controller = new AbortController();
  readonly #onAbort = (): void => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stalled = false;
  /** Bytes received since the stall timer was last restarted. */
  #progress = 0;

  constructor(url: string, name: string, options: HttpOptions) {
    this.#url = url;
    this.name = name;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * Asks for bytes `[start, end)`; the caller judges the status and headers.
   * @throws TransientFault for network faults and busy servers, IoError for 401 and 403
   */
  send(start: number, end: number): Promise<Response> {
    // Accept-Encoding is not set here: fetch itself says "identity" for a request with Range.
    return this.get({ range: `bytes=${start}-${end - 1}` }, start);
  }

  /**
   * Asks with these headers; the caller judges the status and headers of the answer.
   * @throws TransientFault for network faults and busy servers, IoError for 401 and 403
   */
  async get(headers: Readonly<Record<string, string>>, offset?: number): Promise<Response> {
    const request = this.#options.fetch ?? globalThis.fetch;
    this.#watch();
    let response: Response;
    try {
      response = await request(this.#url, {
        headers: { ...this.#options.headers, ...headers },
        signal: this.#controller.signal,
      });
    } catch (cause) {
      // the caller's own fetch may throw a more precise error
      if (cause instanceof CodecError) throw cause;
      throw this.#networkFault(cause, offset);
    }
    const { status } = response;
    if (transientStatuses.has(status)) {
      const after =
        retryAfter(response.headers.get("retry-after")) ?? rateLimitReset(response.headers.get("ratelimit"));
      const wait = after === undefined ? "" : ` It asks to wait ${Math.ceil(after / 1000)} s.`;
      const error = new IoError(`The server is busy or limits requests (${status}).${wait}`, {
        path: this.name,
        offset,
        hint: "Try again later, or download the file first.",
        reason: "unreachable",
      });
      throw new TransientFault(error, after);
    }
    if (status === 401 || status === 403) {
      throw new IoError(`The server refuses access (${status}).`, {
        path: this.name,
        hint: "Give an access token in the headers, accept the model's licence on its page, or renew the signed URL.",
      });
    }
    return response;
  }

  /**
   * The body into `target`; returns the bytes received, which are fewer when the body just ends.
   * @param onBytes is called with each piece, also before a failure
   * @throws TransientFault when the connection breaks; `tooLong` when the body does not fit
   */
  async receive(
    response: Response,
    target: Uint8Array,
    tooLong: IoError,
    onBytes?: (received: number) => void,
  ): Promise<number> {
    let got = 0;
    await this.#takeParts(response, (part) => {
      if (part.byteLength > target.byteLength - got) throw tooLong;
      target.set(part, got);
      got += part.byteLength;
      onBytes?.(part.byteLength);
    });
    return got;
  }

  /**
   * The whole body as text, for answers of a few megabytes.
   * @throws TransientFault when the connection breaks; `tooLong` when the body has more than `most` bytes
   */
  async receiveText(response: Response, most: number, tooLong: LimitError): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    let got = 0;
    await this.#takeParts(response, (part) => {
      got += part.byteLength;
      if (got > most) throw tooLong;
      text += decoder.decode(part, { stream: true });
    });
    return text + decoder.decode();
  }

  async #takeParts(response: Response, take: (part: Uint8Array) => void): Promise<void> {
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    this.#watch();
    for (;;) {
      let part: ReadableStreamReadResult<Uint8Array>;
      try {
        part = await reader.read();
      } catch (cause) {
        throw this.#networkFault(cause, undefined);
      }
      if (part.done) return;
      this.#progress += part.value.byteLength;
      // a server that sends one byte a minute must not block a conversion for ever
      if (this.#progress >= LEAST_PROGRESS) this.#watch();
      take(part.value);
    }
  }

  /** Drops the rest of the body, which also frees the connection. Has no effect on a finished request. */
  end(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }

  #watch(): void {
    this.#progress = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#stalled = true;
      this.#controller.abort();
    }, this.#options.stallTimeout ?? 60_000);
  }

  #networkFault(cause: unknown, offset: number | undefined): TransientFault {
    const why = this.#stalled ? "the server fell silent, or sends almost nothing" : reasonOf(cause);
    const error = new IoError(`The network failed: ${why}.`, {
      path: this.name,
      offset,
      cause,
      hint: "Check the connection and the address.",
      reason: "unreachable",
    });
    return new TransientFault(error);
  }
}

/** fetch says only "fetch failed"; what happened is its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message } = error.cause instanceof Error && error.cause.message !== "" ? error.cause : error;
  return withoutTrailing(message, ".");
}
