/** The requests of an upload: repeated where the hub is busy, with the token for the hub alone. */
import { IoError, LimitError, shownUrl } from "@requant/core";
import { type HttpAsking, HttpRequest, persist } from "@requant/core/http";

/** The signed address of the storage has expired: the hub must be asked for another one. */
export class ExpiredAddress extends Error {}

/** How the hub is asked. */
export interface HubAsking {
  readonly endpoint: string;
  readonly token: string;
  readonly signal: AbortSignal | undefined;
  /** Default 5. */
  readonly retries?: number | undefined;
  readonly stallTimeout?: number | undefined;
}

const RETRIES = 5;
const MOST_REDIRECTS = 3;
const MOST_TEXT = 16 * 1024 * 1024;
const HINT = "Check the connection, and run the same command with --resume.";
/** Answers that have no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

const UNFOLLOWED = { redirect: "manual" } as const;
/** For large bodies: of any other request, undici keeps a copy of all that was sent, to send it again after a redirect. */
const SENT_ONCE = { redirect: "error", window: null } as const;

/**
 * A `fetch` for the hub library. A redirect is followed on the hub only: to any other server neither the token nor the content
 * is sent on. Other servers are asked for what the hub named, without the token.
 */
export function hubFetch({
  endpoint,
  token,
  signal,
  retries = RETRIES,
  stallTimeout,
}: HubAsking): typeof fetch {
  const origin = new URL(endpoint).origin;
  const options = {
    ...(signal === undefined ? {} : { signal }),
    ...(stallTimeout === undefined ? {} : { stallTimeout }),
    fetch: ((input, init) =>
      globalThis.fetch(input, {
        ...init,
        ...(init?.body instanceof Blob ? SENT_ONCE : UNFOLLOWED),
      })) satisfies typeof fetch,
  };

  async function ask(url: string, asking: HttpAsking, redirects: number): Promise<Response> {
    const isHub = new URL(url).origin === origin;
    const headers = new Headers(asking.headers);
    headers.delete("authorization");
    if (isHub) headers.set("authorization", `Bearer ${token}`);
    const own = { ...asking, headers: Object.fromEntries(headers), hint: HINT };
    // the query of an address of the storage is a signature
    const name = shownUrl(url);
    const {
      status,
      headers: answered,
      text,
    } = await persist(
      () => new HttpRequest(url, name, options),
      async (request) => {
        const response = await request.ask(own);
        const tooLong = new LimitError(`The hub's answer has more than ${MOST_TEXT} bytes.`, {
          path: name,
          hint: "Check the address of the hub (HF_ENDPOINT).",
        });
        const body = await request.receiveText(response, MOST_TEXT, tooLong);
        return { status: response.status, headers: response.headers, text: body };
      },
      { signal, retries },
    );
    if (!isHub && (status === 403 || status === 401)) throw new ExpiredAddress(name);
    if (status < 300 || status >= 400 || status === 304) {
      return new Response(BODILESS.has(status) ? null : text, { status, headers: plainHeaders(answered) });
    }
    const location = new URL(answered.get("location") ?? "", url);
    if (!isHub || location.origin !== origin || redirects >= MOST_REDIRECTS) {
      throw new IoError(
        `The server sends the request elsewhere (${status}, to ${location.host}), which is not followed.`,
        { path: name, hint: "Check the name of the repository and the address of the hub (HF_ENDPOINT)." },
      );
    }
    return ask(location.href, asking, redirects + 1);
  }

  return (input, init) => {
    const { method, headers, body } = init ?? {};
    return ask(
      String(input instanceof Request ? input.url : input),
      {
        method,
        headers: Object.fromEntries(new Headers(headers)),
        body: body instanceof Blob || typeof body === "string" ? body : undefined,
      },
      0,
    );
  };
}

/** Without what holds for the bytes on the wire: the text is decoded. */
function plainHeaders(headers: Headers): Headers {
  const plain = new Headers(headers);
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) plain.delete(name);
  return plain;
}
