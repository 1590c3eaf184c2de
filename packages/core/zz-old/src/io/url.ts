import { IoError, UsageError } from "../errors.ts";
import { quoted } from "../text.ts";
import { followingFetch } from "./following-fetch.ts";
import { checkHeaders, type HttpOptions } from "./http-request.ts";
import { checkRange } from "./range.ts";
import { RangeClient } from "./range-client.ts";
import type { ByteSource } from "./source.ts";
import type { ReadStore, StoreAddress } from "./store.ts";
import { checkStorePath, filesIn } from "./store-path.ts";

/** How `urlSource` asks a server. */
export interface UrlOptions extends HttpOptions {
  /** Repetitions of one read after a network fault, a cut-off body, 408, 429 or 5xx. Default 3. */
  readonly retries?: number;
}

/** How `urlStore` finds files. */
export interface UrlStoreOptions extends UrlOptions {
  /** The paths of all files below the URL, where they are known: the store then has a listing, and asks for no others. */
  readonly files?: readonly string[];
}

/**
 * A file on an HTTP server, read by ranges: never the whole file for a header.
 * @throws IoError when there is no such file, the server has no ranges, or (from reads) the file changes meanwhile
 */
export async function urlSource(url: string, options: UrlOptions = {}): Promise<ByteSource> {
  const source = await openUrl(url, options);
  if (source !== undefined) return source;
  throw new IoError("There is no such file on the server (404).", {
    path: shownUrl(url),
    hint: "Check the URL.",
  });
}

/** The files below a URL. The query of the base (a token, a revision) goes with each file. HTTP has no listing. */
export function urlStore(baseUrl: string, options: UrlStoreOptions = {}): ReadStore {
  const base = parsedUrl(baseUrl);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const name = shownUrl(base.href);
  const known = options.files === undefined ? undefined : new Set(options.files);
  const address = addressOf(base.href, options);
  return {
    name,
    ...(address === undefined ? {} : { address }),
    async open(path) {
      checkStorePath(path, name);
      if (known?.has(path) === false) return undefined;
      const url = new URL(base);
      url.pathname += path.split("/").map(encodeURIComponent).join("/");
      return openUrl(url.href, options);
    },
    async list(folder) {
      return known === undefined ? undefined : filesIn(known, folder);
    },
  };
}

/** A `fetch` of the caller's own cannot be sent to a worker. The signal stays here: a worker is ended as a whole. */
function addressOf(url: string, options: UrlStoreOptions): StoreAddress | undefined {
  if (options.fetch !== undefined) return undefined;
  const { fetch: _, signal: __, ...plain } = options;
  return { kind: "url", url, options: plain };
}

/** The source, or undefined for 404. */
async function openUrl(url: string, options: UrlOptions): Promise<ByteSource | undefined> {
  parsedUrl(url);
  checkHeaders(options.headers);
  const name = shownUrl(url);
  const fetch = followingFetch((input, init) => (options.fetch ?? globalThis.fetch)(input, init));
  const client = new RangeClient(url, name, { ...options, fetch }, options.retries);
  const opened = await client.open();
  if (opened === undefined) return undefined;
  const { head, byteLength } = opened;

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    checkRange(name, byteLength, start, start + target.byteLength);
    const known = head.subarray(start, start + target.byteLength);
    target.set(known);
    if (known.byteLength < target.byteLength) {
      await client.fill(target.subarray(known.byteLength), start + known.byteLength, byteLength);
    }
  }

  return {
    name,
    byteLength,
    version: client.version,
    async read(start, end) {
      checkRange(name, byteLength, start, end);
      if (end <= head.byteLength) return head.subarray(start, end);
      const target = new Uint8Array(end - start);
      await readInto(target, start);
      return target;
    },
    readInto,
    async close() {},
  };
}

/** @throws UsageError for a text that is no address, or one that cannot be fetched; secrets in it are not repeated */
export function parsedUrl(url: string): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    // no cause: it would carry the URL as it was given, with its secrets
    throw new UsageError(`${quoted(shownUrl(url))} is not a URL.`);
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw new UsageError(`Only http and https URLs can be read, not "${parsed.protocol}".`, {
      path: shownUrl(url),
    });
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new UsageError("A URL with a name and password in it cannot be fetched.", {
      path: shownUrl(url),
      hint: "Give an Authorization header instead.",
    });
  }
  return parsed;
}

/** A URL for people: without name and password, and without its query, which may hold a signature or token. */
export function shownUrl(url: string): string {
  if (!URL.canParse(url)) return shownText(url);
  const { protocol, host, pathname, search } = new URL(url);
  // of an address such as hf:owner the path may hold what was meant as a name and password
  if (host === "") return shownText(url);
  return `${protocol}//${host}${pathname}${search === "" ? "" : "?…"}`;
}

/** The same for a text that was meant as a URL but is not valid. */
function shownText(text: string): string {
  const query = text.search(/[?#]/);
  const place = query < 0 ? text : text.slice(0, query);
  const host = place.indexOf("//") < 0 ? 0 : place.indexOf("//") + 2;
  const secret = place.lastIndexOf("@");
  const shown = secret < host ? place : place.slice(0, host) + place.slice(secret + 1);
  return query < 0 ? shown : `${shown}?…`;
}
