import { IoError } from "../errors.ts";
import { quoted } from "../text.ts";
import { type HttpOptions, HttpRequest, TransientFault } from "./http-request.ts";
import { persist } from "./persist.ts";

/** The first request asks for this many bytes: enough for the whole header of most files. */
const firstByteLength = 64 * 1024;

/** Reads ranges of one file on a server, checks every header, and repeats requests that may succeed later. */
export class RangeClient {
  readonly #url: string;
  readonly #name: string;
  readonly #options: HttpOptions;
  readonly #retries: number | undefined;
  /** ETag, or else Last-Modified, of the first answer. */
  #version: string | undefined;

  constructor(url: string, name: string, options: HttpOptions, retries: number | undefined) {
    this.#url = url;
    this.#name = name;
    this.#options = options;
    this.#retries = retries;
  }

  get version(): string | undefined {
    return this.#version;
  }

  /**
   * Gets the length and the first bytes; undefined for 404. The first request is a range and not HEAD: one request in
   * place of two, it proves that ranges work, and HEAD is often forbidden (signed URLs are signed for GET) or wrong.
   */
  async open(): Promise<{ head: Uint8Array; byteLength: number } | undefined> {
    const head = new Uint8Array(firstByteLength);
    return this.#persist(0, async (request) => {
      const response = await request.send(0, firstByteLength);
      if (response.status === 404) return undefined;
      // an empty file has no range that could be sent; its length still stands in the header
      if (response.status === 416 && response.headers.get("content-range")?.trim() === "bytes */0") {
        return { head: head.subarray(0, 0), byteLength: 0 };
      }
      this.#version = versionOf(response);
      if (response.status === 200) return this.#tinyWhole(request, response, head);
      const byteLength = this.#check(response, 0, firstByteLength, undefined);
      const expected = Math.min(firstByteLength, byteLength);
      const got = await request.receive(response, head.subarray(0, expected), this.#tooLong(0));
      if (got < expected) throw this.#cutOff(0, got, expected);
      return { head: head.slice(0, expected), byteLength };
    });
  }

  /** Fills `target` with the bytes from `start` on. After a cut-off body, the next request goes on where the body ended. */
  async fill(target: Uint8Array, start: number, byteLength: number): Promise<void> {
    const end = start + target.byteLength;
    let done = 0;
    await this.#persist(start, async (request) => {
      const from = start + done;
      const response = await request.send(from, end);
      this.#check(response, from, end, byteLength);
      await request.receive(response, target.subarray(done), this.#tooLong(from), (received) => {
        done += received;
      });
      if (start + done < end) throw this.#cutOff(start, done, target.byteLength);
    });
  }

  /**
   * For status 200 in answer to a range request: the server ignores ranges and sends the whole file. That is accepted
   * only when the whole file is no longer than the range.
   */
  async #tinyWhole(
    request: HttpRequest,
    response: Response,
    head: Uint8Array,
  ): Promise<{ head: Uint8Array; byteLength: number }> {
    this.#checkEncoding(response, 0);
    const stated = Number(response.headers.get("content-length") ?? Number.NaN);
    const ignoresRange = new IoError(
      "The server ignores Range: it would send the whole file for each read.",
      {
        path: this.#name,
        hint: "Download the file first, or use a server that supports range requests.",
      },
    );
    if (stated > head.byteLength) throw ignoresRange;
    const got = await request.receive(response, head, ignoresRange);
    if (Number.isFinite(stated) && got !== stated) throw this.#cutOff(0, got, stated);
    return { head: head.slice(0, got), byteLength: got };
  }

  /**
   * Checks the answer for bytes `[start, end)` against the request and against what is known of the file.
   * @returns the length of the whole file
   */
  #check(response: Response, start: number, end: number, byteLength: number | undefined): number {
    const { status } = response;
    const version = versionOf(response);
    // Comparing instead of sending If-Range: a server answers a stale If-Range with the whole new file, and in a
    // browser that header costs a preflight request. Weak ETags are compared like strong ones: any change is refused.
    if (version !== undefined && this.#version !== undefined && version !== this.#version) {
      throw this.#changed(start, `${this.#version} became ${version}`);
    }
    if (status === 416) {
      throw this.#changed(start, `the server has no bytes ${start} to ${end} any more (416)`);
    }
    if (status === 404 || status === 410) throw this.#changed(start, `it is gone (${status})`);
    if (status === 200) {
      throw this.#fault(
        start,
        "The server ignored Range this time and sent the whole file.",
        "Download it first.",
      );
    }
    if (status !== 206) throw this.#fault(start, `The server answered ${status} to a range request.`);
    this.#checkEncoding(response, start);
    const { first, last, total } = this.#contentRange(response, start);
    if (byteLength !== undefined && total !== byteLength) {
      throw this.#changed(start, `it had ${byteLength} bytes, now ${total}`);
    }
    const lastAsked = Math.min(end, total) - 1;
    if (first !== start || last !== lastAsked) {
      throw this.#fault(
        start,
        `Bytes ${start}-${lastAsked} were asked for, but the server sent ${first}-${last}.`,
      );
    }
    return total;
  }

  #contentRange(response: Response, start: number): { first: number; last: number; total: number } {
    const header = response.headers.get("content-range");
    if (header === null) {
      throw this.#fault(
        start,
        "The answer has no Content-Range header, so nothing tells which bytes came.",
        "In a browser, the server must also list it in Access-Control-Expose-Headers.",
      );
    }
    const match = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(header.trim());
    const [first, last, total] = (match?.slice(1) ?? []).map(Number);
    if (first === undefined || last === undefined || total === undefined) {
      throw this.#fault(start, `The Content-Range header ${quoted(header)} does not tell range and length.`);
    }
    if (!Number.isSafeInteger(total) || last >= total || first > last) {
      throw this.#fault(start, `The Content-Range header ${quoted(header)} is impossible.`);
    }
    return { first, last, total };
  }

  /** fetch would decompress the body, and a range of compressed bytes means nothing to a reader of the file. */
  #checkEncoding(response: Response, start: number): void {
    const encoding = response.headers.get("content-encoding");
    if (encoding === null || encoding === "identity") return;
    throw this.#fault(
      start,
      `The server compressed the answer (${encoding}) although it was asked not to.`,
      "Switch compression off for this file, or download it first.",
    );
  }

  #persist<T>(offset: number, work: (request: HttpRequest) => Promise<T>): Promise<T> {
    const begin = (): HttpRequest => new HttpRequest(this.#url, this.#name, this.#options);
    return persist(begin, work, { signal: this.#options.signal, retries: this.#retries, offset });
  }

  #fault(offset: number, message: string, hint?: string, cause?: unknown): IoError {
    return new IoError(message, { path: this.#name, offset, hint, cause });
  }

  #changed(offset: number, how: string): IoError {
    return this.#fault(
      offset,
      `The file changed on the server while it was being read: ${how}.`,
      "Start again.",
    );
  }

  #tooLong(offset: number): IoError {
    return this.#fault(offset, "The server sent more bytes than it announced.", "Download the file first.");
  }

  #cutOff(start: number, got: number, expected: number): TransientFault {
    return new TransientFault(
      this.#fault(
        start + got,
        `The connection ended after ${got} of ${expected} bytes.`,
        "Try again; if it keeps happening, download the file first.",
      ),
    );
  }
}

function versionOf(response: Response): string | undefined {
  return response.headers.get("etag") ?? response.headers.get("last-modified") ?? undefined;
}
