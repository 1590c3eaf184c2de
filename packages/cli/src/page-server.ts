/** The server of `requant ui`: the built page, and the models that were named on the command line. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname } from "node:path";
import type { ByteSource, ReadStore } from "@requant/core";
import { asIoError } from "@requant/core/node";
import type { PageFiles } from "./page-files.ts";

/** A folder whose files the page may read. */
export interface ServedModel {
  readonly store: ReadStore;
  /** The one file that was named, with what belongs to it; without it the folder is the model. */
  readonly file: string | undefined;
}

export interface PageServerOptions {
  /** The files of the built page. */
  readonly page: PageFiles;
  readonly models: readonly ServedModel[];
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface PageServer {
  /** The address of the page; the models open with it. */
  readonly url: string;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/** Nothing of this server is for pages of other servers. */
const headers: Readonly<Record<string, string>> = {
  "cache-control": "no-cache",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Bytes of a file that are in memory at a time. */
const CHUNK_BYTE_LENGTH = 1024 * 1024;

/** @throws IoError where the port is taken or the address is not one of this machine */
export async function startPageServer({ page, models, host, port }: PageServerOptions): Promise<PageServer> {
  // another program on this machine, or a page that finds this port, cannot guess it
  const secret = randomBytes(16).toString("hex");
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    // a name that a foreign page's owner points to this machine is none of these
    if (!hostNames(host).includes(hostNameOf(request))) return end(response, 403);
    if (request.method !== "GET" && request.method !== "HEAD") return end(response, 405);
    const path = pathOf(request);
    if (path === undefined) return end(response, 400);
    const [, area, key, number, ...inside] = path.split("/");
    if (area === "models") {
      const model = key === secret ? models[Number(number)] : undefined;
      const source = model === undefined ? undefined : await openNamed(model.store, inside.join("/"));
      return source === undefined ? end(response, 404) : sendRange(request, response, source);
    }
    const name = path === "/" ? "/index.html" : path;
    const read = page.get(name);
    if (read === undefined) return end(response, 404);
    const bytes = await read();
    response.writeHead(200, {
      "content-type": types[extname(name)] ?? "application/octet-stream",
      "content-length": bytes.byteLength,
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  }

  const origin = await listening(server, host, port);
  const opened = models.map(
    ({ file }, index) => `open=${encodeURIComponent(`${origin}/models/${secret}/${index}/${file ?? ""}`)}`,
  );
  return {
    url: `${origin}/${opened.length === 0 ? "" : `#${opened.join("&")}`}`,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
}

async function listening(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(asIoError(cause, `${host}:${port}`, "listen at")));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? address.port : port;
  return `http://${host.includes(":") ? `[${host}]` : host}:${taken}`;
}

function hostNames(host: string): string[] {
  return ["127.0.0.1", "localhost", "[::1]", host.includes(":") ? `[${host}]` : host];
}

function hostNameOf({ headers: { host = "" } }: IncomingMessage): string {
  return host.toLowerCase().replace(/:\d{1,5}$/, "");
}

function pathOf({ url = "/" }: IncomingMessage): string | undefined {
  try {
    return decodeURIComponent(new URL(url, "http://localhost").pathname);
  } catch {
    return undefined;
  }
}

/** A file of a model; names that lead elsewhere are no files of it. */
async function openNamed(store: ReadStore, path: string): Promise<ByteSource | undefined> {
  try {
    return await store.open(path);
  } catch {
    return undefined;
  }
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}

/** Answers with one range, or with the whole file. */
async function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  source: ByteSource,
): Promise<void> {
  try {
    const { byteLength, version } = source;
    const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(first ?? 0);
    const stop = last === undefined || last === "" ? byteLength : Math.min(Number(last) + 1, byteLength);
    const isRange = first !== undefined;
    if (isRange && start >= stop) {
      response.writeHead(416, { "content-range": `bytes */${byteLength}` }).end();
      return;
    }
    response.writeHead(isRange ? 206 : 200, {
      "accept-ranges": "bytes",
      "content-type": "application/octet-stream",
      "content-length": stop - start,
      ...(isRange ? { "content-range": `bytes ${start}-${stop - 1}/${byteLength}` } : {}),
      ...(version === undefined ? {} : { etag: JSON.stringify(version) }),
    });
    if (request.method !== "HEAD") await send(response, source, start, stop);
    response.end();
  } finally {
    await source.close();
  }
}

/** Waits for the reader, so that no more than one piece is in memory. */
async function send(
  response: ServerResponse,
  source: ByteSource,
  start: number,
  stop: number,
): Promise<void> {
  for (let at = start; at < stop && !response.destroyed; at += CHUNK_BYTE_LENGTH) {
    const bytes = await source.read(at, Math.min(stop, at + CHUNK_BYTE_LENGTH));
    if (response.write(bytes)) continue;
    await new Promise<void>((resolve) => {
      response.once("drain", resolve);
      response.once("close", resolve);
    });
  }
}
