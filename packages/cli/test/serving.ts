/** A file server on localhost for tests, which can be told to misbehave. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly start: number;
  /** Exclusive, cut to the file. */
  readonly end: number;
}

export interface TestServer {
  readonly url: string;
  readonly asked: Asked[];
  close(): void;
}

export type Answer = (
  asked: Asked,
  response: ServerResponse,
  bytes: Uint8Array | undefined,
  count: number,
) => void;

/** What a server must do with a range request. */
export const honest: Answer = ({ start, end }, response, bytes) => {
  if (bytes === undefined) {
    response.writeHead(404).end();
    return;
  }
  response
    .writeHead(206, {
      etag: '"one"',
      "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
      "content-length": end - start,
    })
    .end(bytes.subarray(start, end));
};

/** Serves what `fileOf` gives for a path; `answer` decides how. */
export async function serveFiles(
  fileOf: (path: string) => Uint8Array | undefined,
  answer: Answer = honest,
): Promise<TestServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://x").pathname);
    const bytes = fileOf(path);
    const [, start = "0", last] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
    const entry: Asked = {
      path,
      headers: request.headers,
      start: Number(start),
      end: Math.min(last ? Number(last) + 1 : Number.MAX_SAFE_INTEGER, bytes?.length ?? 0),
    };
    asked.push(entry);
    answer(entry, response, bytes, asked.length);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
