/**
 * Servers that send slowly, redirect, or contradict themselves: the client gets the right bytes or an IoError, in bounded
 * time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readAheadSource, type UrlOptions, urlSource } from "@requant/core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const file = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 17) % 251);
const secret = "Bearer hf_do_not_tell";

interface Listener {
  readonly server: Server;
  readonly url: string;
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  seen: { path: string; authorization: string | undefined }[];
}

async function listen(): Promise<Listener> {
  const server = createServer((request, response) => {
    own.seen.push({ path: request.url ?? "", authorization: request.headers.authorization });
    own.answer(request, response);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const own: Listener = { server, url, answer: serve, seen: [] };
  return own;
}

function rangeOf(request: IncomingMessage): [start: number, end: number] {
  const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  return [Number(start), Math.min(Number(last) + 1, file.length)];
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const [start, end] = rangeOf(request);
  response
    .writeHead(206, {
      "content-range": `bytes ${start}-${end - 1}/${file.length}`,
      "content-length": end - start,
    })
    .end(file.subarray(start, end));
}

let hub: Listener;
let store: Listener;
beforeAll(async () => {
  [hub, store] = await Promise.all([listen(), listen()]);
});
beforeEach(() => {
  for (const each of [hub, store]) {
    each.answer = serve;
    each.seen = [];
  }
});
afterAll(() => {
  for (const { server } of [hub, store]) {
    server.closeAllConnections();
    server.close();
  }
});

const open = (options: UrlOptions = {}) =>
  urlSource(`${hub.url}/m.gguf`, { retries: 0, headers: { authorization: secret }, ...options });

describe("a redirect", () => {
  test("to another host gives the bytes, without sending the token", async () => {
    hub.answer = (_, response) =>
      response.writeHead(302, { location: `${store.url}/signed?key=s3cr3t` }).end();
    const source = await open();
    expect(await source.read(0, 100)).toEqual(file.subarray(0, 100));
    expect(await source.read(150_000, 150_010)).toEqual(file.subarray(150_000, 150_010));
    expect(hub.seen.every(({ authorization }) => authorization === secret)).toBe(true);
    expect(store.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });

  test("to another host that refuses names neither the token nor the signed address", async () => {
    hub.answer = (_, response) =>
      response.writeHead(302, { location: `${store.url}/signed?key=s3cr3t` }).end();
    store.answer = (_, response) => response.writeHead(403).end("hf_do_not_tell s3cr3t");
    const error = await open().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "IO" });
    expect(JSON.stringify([error, String(error)])).not.toMatch(/hf_do_not_tell|s3cr3t/);
  });

  test("in a circle", async () => {
    hub.answer = (_, response) => response.writeHead(302, { location: "/m.gguf" }).end();
    await expect(open()).rejects.toMatchObject({ code: "IO" });
    expect(hub.seen.length).toBeLessThan(30);
  });

  test.each(["file:///etc/passwd", "data:text/plain,x", "ftp://127.0.0.1/x"])("to %s", async (location) => {
    hub.answer = (_, response) => response.writeHead(302, { location }).end();
    await expect(open()).rejects.toMatchObject({ code: "IO" });
  });

  test("without a location", async () => {
    hub.answer = (_, response) => response.writeHead(302).end();
    await expect(open()).rejects.toMatchObject({ code: "IO" });
  });
});

describe("a server that sends slowly", () => {
  /** A byte every few milliseconds: never silent, never done. */
  function drip(request: IncomingMessage, response: ServerResponse): void {
    const [start, end] = rangeOf(request);
    response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${file.length}` });
    const timer = setInterval(() => response.write("x"), 10);
    response.on("close", () => clearInterval(timer));
  }

  test("is abandoned", async () => {
    hub.answer = drip;
    await expect(open({ stallTimeout: 300 })).rejects.toThrow("sends almost nothing");
  });

  test("headers only", async () => {
    hub.answer = (_, response) => {
      const timer = setInterval(() => response.writeProcessing(), 10);
      response.on("close", () => clearInterval(timer));
    };
    await expect(open({ stallTimeout: 300 })).rejects.toMatchObject({ code: "IO" });
  });

  test("but a slow server that makes progress is awaited", async () => {
    hub.answer = (request, response) => {
      const [start, end] = rangeOf(request);
      response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${file.length}` });
      let at = start;
      const timer = setInterval(() => {
        response.write(file.subarray(at, Math.min(at + 8192, end)));
        at += 8192;
        if (at >= end) {
          clearInterval(timer);
          response.end();
        }
      }, 60);
    };
    const source = await open({ stallTimeout: 400 });
    expect(await source.read(0, 1000)).toEqual(file.subarray(0, 1000));
  });
});

describe("a server whose answers change between two reads", () => {
  test.each<[string, (response: ServerResponse, start: number, end: number) => void]>([
    [
      "416: the range is gone",
      (response) => response.writeHead(416, { "content-range": "bytes */100" }).end(),
    ],
    ["404: the file is gone", (response) => response.writeHead(404).end()],
    ["200: the whole file at once", (response) => response.writeHead(200).end(file)],
    ["204: nothing", (response) => response.writeHead(204).end()],
    [
      "another ETag",
      (response, start, end) =>
        response
          .writeHead(206, { etag: '"two"', "content-range": `bytes ${start}-${end - 1}/${file.length}` })
          .end(file.subarray(start, end)),
    ],
    [
      "another length",
      (response, start, end) =>
        response
          .writeHead(206, { "content-range": `bytes ${start}-${end - 1}/999999` })
          .end(file.subarray(start, end)),
    ],
    [
      "a length that no number holds",
      (response, start, end) =>
        response
          .writeHead(206, { "content-range": `bytes ${start}-${end - 1}/99999999999999999999` })
          .end(file.subarray(start, end)),
    ],
    [
      "more bytes than the range",
      (response, start, end) =>
        response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${file.length}` }).end(file),
    ],
    [
      "several ranges",
      (response) =>
        response.writeHead(206, { "content-type": "multipart/byteranges; boundary=x" }).end("--x--"),
    ],
  ])("%s", async (_, answer) => {
    hub.answer = (request, response) => {
      const [start, end] = rangeOf(request);
      response
        .writeHead(206, { etag: '"one"', "content-range": `bytes ${start}-${end - 1}/${file.length}` })
        .end(file.subarray(start, end));
    };
    const source = await open();
    hub.answer = (request, response) => answer(response, ...rangeOf(request));
    await expect(source.read(120_000, 130_000)).rejects.toMatchObject({
      code: "IO",
      path: expect.stringContaining("m.gguf"),
    });
  });
});

describe("reading ahead", () => {
  const pieceByteLength = 16_384;

  test("fetches the next pieces while the caller works, and holds no more than its bound", async () => {
    let under = 0;
    let most = 0;
    const asked: [number, number][] = [];
    const slow = {
      name: "slow",
      byteLength: file.length,
      async read(start: number, end: number) {
        asked.push([start, end]);
        under += 1;
        most = Math.max(most, under);
        await new Promise((resolve) => setTimeout(resolve, 2));
        under -= 1;
        return file.subarray(start, end);
      },
      async readInto(target: Uint8Array, start: number) {
        target.set(await this.read(start, start + target.length));
      },
      async close() {},
    };
    const source = readAheadSource(slow, { pieceByteLength, pieceCount: 4 });
    const read: Uint8Array[] = [];
    for (let at = 0; at < file.length; at += 5000)
      read.push(await source.read(at, Math.min(at + 5000, file.length)));
    expect(Uint8Array.from(Buffer.concat(read))).toEqual(file);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
    // every piece once; the first reads, before an order was recognised, were passed on unchanged
    const starts = asked.filter(([start, end]) => end - start !== 5000).map(([start]) => start);
    expect(new Set(starts).size).toBe(starts.length);
    expect(starts.length).toBe(Math.ceil(file.length / pieceByteLength));
  });

  test("reads in no order are passed on unchanged", async () => {
    const source = readAheadSource(await open(), { pieceByteLength, pieceCount: 4 });
    hub.seen = [];
    for (const at of [150_000, 90_000, 180_000])
      expect(await source.read(at, at + 10)).toEqual(file.subarray(at, at + 10));
    expect(hub.seen).toHaveLength(3);
  });

  test("a failed piece is requested again, and only its reader gets the error", async () => {
    const source = readAheadSource(await open(), { pieceByteLength, pieceCount: 4 });
    hub.answer = (_, response) => response.writeHead(404).end();
    // all reads beyond the first 64 KiB, which the opening fetched, fail
    for (let at = 0; at < 60_000; at += 10_000)
      expect(await source.read(at, at + 10_000)).toEqual(file.subarray(at, at + 10_000));
    await expect(source.read(60_000, 70_000)).rejects.toMatchObject({ code: "IO" });
    hub.answer = serve;
    expect(await source.read(60_000, 70_000)).toEqual(file.subarray(60_000, 70_000));
  });
});
