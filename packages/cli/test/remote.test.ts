/** Models behind HTTP: little is fetched, and a server that does not keep its word gets a clear IO error. */

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join, resolve } from "node:path";
import { layoutGguf } from "@requant/gguf";
import { afterEach, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const TENSORS = 25;
const SIDE = 1024;

/** The header of a model of 25 F32 matrices of 4 MiB each: 105 MB, of which only the header is ever made. */
function bigModel(): { header: Uint8Array; byteLength: number } {
  const layout = layoutGguf({
    metadata: new Map([["general.architecture", { type: "string", value: "llama" }]]),
    tensors: Array.from({ length: TENSORS }, (_, i) => ({
      name: `blk.${i}.ffn_up.weight`,
      shape: [SIDE, SIDE],
      encoding: "F32",
    })),
  });
  return { header: layout.header, byteLength: layout.byteLength };
}

interface Served {
  readonly url: string;
  /** Counted at the sockets: headers and bodies. */
  readonly sent: { readonly bytes: number; requests: number };
}

let close = (): void => {};
afterEach(() => close());

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, start: number, end: number) => void,
): Promise<Served> {
  const sockets: Socket[] = [];
  const sent = {
    requests: 0,
    get bytes(): number {
      return sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0);
    },
  };
  const server = createServer((request, response) => {
    sent.requests += 1;
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Number(range[2]) + 1 : Number.MAX_SAFE_INTEGER;
    answer(request, response, start, end);
  });
  server.on("connection", (socket) => sockets.push(socket));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/big.gguf`, sent };
}

/** Bytes `[start, end)` of the model; beyond the header they are zeros. */
function slice(header: Uint8Array, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  bytes.set(header.subarray(Math.min(start, header.length), Math.min(end, header.length)));
  return bytes;
}

describe("a model behind a URL", () => {
  const { header, byteLength } = bigModel();

  it("is inspected with under 1 % of its bytes", async () => {
    const ranges: { start: number; end: number }[] = [];
    const { url, sent } = await serve((_request, response, start, until) => {
      const end = Math.min(until, byteLength);
      ranges.push({ start, end });
      response
        .writeHead(206, {
          etag: '"one"',
          "content-range": `bytes ${start}-${end - 1}/${byteLength}`,
          "content-length": end - start,
        })
        .end(slice(header, start, end));
    });
    const { status, out, err } = await requant("inspect", url, "--json");
    expect(status, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      format: "gguf",
      tensorCount: TENSORS,
      parameterCount: TENSORS * SIDE * SIDE,
    });
    console.log(`inspect of ${byteLength} bytes: ${sent.requests} requests, ${sent.bytes} bytes`);
    expect(byteLength).toBeGreaterThan(100e6);
    expect(sent.bytes).toBeGreaterThan(header.length);
    expect(sent.bytes).toBeLessThan(byteLength / 100);
    // the file is opened once, so no byte is fetched twice
    const sorted = ranges.toSorted((a, b) => a.start - b.start);
    expect(sorted.filter(({ start }, i) => start < (sorted[i - 1]?.end ?? 0))).toEqual([]);
  });

  it.each<[string, (response: ServerResponse, start: number, end: number, request: number) => void]>([
    [
      "ignores Range",
      (response) => {
        response.writeHead(200, { "content-length": byteLength });
        response.write(new Uint8Array(1024));
      },
    ],
    [
      "answers another range than asked",
      (response, start, end) => {
        response
          .writeHead(206, { "content-range": `bytes ${start + 8}-${end + 7}/${byteLength}` })
          .end(slice(header, start, end));
      },
    ],
    [
      "sends less than it says",
      (response, start, end) => {
        response.writeHead(206, {
          "content-range": `bytes ${start}-${end - 1}/${byteLength}`,
          "content-length": end - start,
        });
        response.write(slice(header, start, start + 100));
        response.destroy();
      },
    ],
    [
      "is not there",
      (response) => {
        response.writeHead(404).end();
      },
    ],
  ])("a server that %s gets an IO error", async (_what, answer) => {
    let count = 0;
    const { url } = await serve((_request, response, start, until) =>
      answer(response, start, Math.min(until, byteLength), count++),
    );
    const { status, err } = await requant("inspect", url, "--json");
    expect(status).toBe(4);
    expect(JSON.parse(err).error.code).toBe("IO");
  });

  it("a file that changes while it is read gets an IO error", async () => {
    let count = 0;
    const { url } = await serve((_request, response, start, until) => {
      const end = Math.min(until, byteLength);
      response
        .writeHead(206, {
          etag: `"${count++}"`,
          "content-range": `bytes ${start}-${end - 1}/${byteLength}`,
          "content-length": end - start,
        })
        .end(slice(header, start, end));
    });
    const { status, err } = await requant("hash", url, "--tensors", "--json");
    expect(status).toBe(4);
    expect(JSON.parse(err).error).toMatchObject({ code: "IO" });
  });

  it("hf:owner/repo goes to HF_ENDPOINT with the token, and a directory's files are found where the server has no listing", async () => {
    const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
    const asked: string[] = [];
    const tokens = new Set<string | undefined>();
    const { url } = await serve((request, response, start, until) => {
      const path = decodeURIComponent(request.url ?? "");
      asked.push(path);
      tokens.add(request.headers.authorization);
      const match = /^\/kjv\/tiny\/resolve\/main\/([\w.]+)$/.exec(path);
      let bytes: Uint8Array | undefined;
      try {
        bytes = match === null ? undefined : readFileSync(join(hf, match[1] ?? ""));
      } catch {
        bytes = undefined;
      }
      if (bytes === undefined) {
        response.writeHead(404).end();
        return;
      }
      const end = Math.min(until, bytes.length);
      response
        .writeHead(206, {
          "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
          "content-length": end - start,
        })
        .end(bytes.subarray(start, end));
    });
    const before = { ...process.env };
    process.env["HF_ENDPOINT"] = url.replace("/big.gguf", "");
    process.env["HF_TOKEN"] = "hf_secret";
    process.env["HF_HUB_CACHE"] = join(hf, "no-such-folder");
    try {
      const { status, out, err } = await requant("inspect", "hf:kjv/tiny", "--json");
      expect(status, err).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ format: "safetensors", parameterCount: 2_295_552 });
      expect([...tokens]).toEqual(["Bearer hf_secret"]);
      expect(`${out}${err}`).not.toContain("hf_secret");
      expect(asked[0]).toBe("/api/models/kjv/tiny/revision/main");
      expect(asked.slice(1).every((path) => path.startsWith("/kjv/tiny/resolve/main/"))).toBe(true);
    } finally {
      process.env = before;
    }
  });
});
