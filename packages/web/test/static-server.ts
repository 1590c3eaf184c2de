/** Serves files of a folder by ranges, and counts the bytes that it sends. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { serve } from "../../../fixtures/chromium.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface StaticServer {
  readonly url: string;
  /** Bytes of bodies sent, by path. */
  readonly sent: Map<string, number>;
  close(): Promise<void>;
}

/** @param prefix the path below which the folder is served, with slashes at both ends */
export async function serveFolder(folder: string, prefix = "/"): Promise<StaticServer> {
  const sent = new Map<string, number>();
  const { origin, close } = await serve((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const inside = path.startsWith(prefix) ? path.slice(prefix.length) : "..";
    const file = resolve(folder, inside === "" ? "index.html" : inside);
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "range");
    response.setHeader("access-control-expose-headers", "content-range, etag, accept-ranges");
    if (request.method === "OPTIONS") {
      response.writeHead(204).end();
      return;
    }
    if (!file.startsWith(join(folder, "/")) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const { size } = statSync(file);
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const start = first === undefined ? 0 : Number(first);
    const end = last === undefined || last === "" ? size - 1 : Math.min(Number(last), size - 1);
    response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
    response.setHeader("content-length", Math.max(0, end + 1 - start));
    response.setHeader("accept-ranges", "bytes");
    if (first === undefined) response.writeHead(200);
    else response.writeHead(206, { "content-range": `bytes ${start}-${end}/${size}` });
    if (request.method === "HEAD" || size === 0) {
      response.end();
      return;
    }
    createReadStream(file, { start, end })
      .on("data", (chunk) => sent.set(path, (sent.get(path) ?? 0) + chunk.length))
      .pipe(response);
  });
  return { url: `${origin}${prefix}`, sent, close };
}
