import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { IoError, UsageError, urlSource, urlStore } from "@requant/core";
import { countingSource } from "@requant/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

const file = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 253);

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  range: [start: number, end: number],
) => void;

let server: Server;
let base = "";
let handler: Handler;
/** Everything asked of the server: method, path and range. */
let asked: { method: string; url: string; range: string; headers: IncomingMessage["headers"] }[] = [];
let sent = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    const range = request.headers.range ?? "";
    asked.push({ method: request.method ?? "", url: request.url ?? "", range, headers: request.headers });
    const match = /^bytes=(\d+)-(\d+)$/.exec(range);
    handler(request, response, [Number(match?.[1]), Number(match?.[2]) + 1]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  asked = [];
  sent = 0;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** The answer of a correct server (RFC 9110, 14.4 and 15.3.7). */
function honest(response: ServerResponse, start: number, end: number, etag = '"v1"', body = file): void {
  const stop = Math.min(end, body.byteLength);
  if (start >= body.byteLength) {
    response.writeHead(416, { "content-range": `bytes */${body.byteLength}` }).end();
    return;
  }
  sent += stop - start;
  response.writeHead(206, {
    "content-range": `bytes ${start}-${stop - 1}/${body.byteLength}`,
    "content-length": stop - start,
    etag,
  });
  response.end(body.subarray(start, stop));
}

const serve: Handler = (_, response, [start, end]) => honest(response, start, end);
const model = (): string => `${base}/model.gguf`;

describe("a correct server", () => {
  test("one request gets the length and the first bytes; later reads get only the requested bytes", async () => {
    handler = serve;
    const source = await urlSource(model());
    expect(source.byteLength).toBe(300_000);
    expect(await source.read(0, 1000)).toEqual(file.subarray(0, 1000));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ method: "GET", range: "bytes=0-65535" });
    expect(asked[0]?.headers["accept-encoding"]).toBe("identity");
    expect(await source.read(200_000, 200_010)).toEqual(file.subarray(200_000, 200_010));
    expect(asked[1]?.range).toBe("bytes=200000-200009");
    // the bytes of the first answer are not requested again
    const target = new Uint8Array(70_000);
    await source.readInto(target, 60_000);
    expect(target).toEqual(file.subarray(60_000, 130_000));
    expect(asked[2]?.range).toBe("bytes=65536-129999");
    await expect(source.read(0, 300_001)).rejects.toMatchObject({ code: "IO" });
    expect(asked).toHaveLength(3);
    await source.close();
  });

  test("a header of a 100 MB file costs under 1 % of it", async () => {
    const length = 100_000_000;
    handler = (_, response, [start, end]) => {
      sent += end - start;
      response
        .writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${length}` })
        .end(new Uint8Array(end - start));
    };
    const source = countingSource(await urlSource(model()));
    await source.read(0, 64_000);
    await source.read(64_000, 200_000);
    expect(sent).toBeLessThan(length / 100);
    expect(asked).toHaveLength(2);
  });

  test("files shorter than the first request, and empty ones", async () => {
    handler = (_, response, [start, end]) => honest(response, start, end, '"s"', file.subarray(0, 10));
    const source = await urlSource(model());
    expect(source.byteLength).toBe(10);
    expect(await source.read(0, 10)).toEqual(file.subarray(0, 10));
    handler = (_, response, [start, end]) => honest(response, start, end, '"s"', file.subarray(0, 0));
    const empty = await urlSource(model());
    expect(empty.byteLength).toBe(0);
    expect(await empty.read(0, 0)).toHaveLength(0);
  });

  test("headers are sent, and later reads go where a redirect led, until that address expires", async () => {
    let signature = 1;
    handler = (request, response, [start, end]) => {
      if (request.url === "/model.gguf")
        response.writeHead(302, { location: `${base}/cdn?sig=${signature}` }).end();
      else if (request.url === `/cdn?sig=${signature}`) honest(response, start, end);
      else response.writeHead(403).end("expired");
    };
    const source = await urlSource(model(), { headers: { authorization: "Bearer abc" }, retries: 0 });
    await source.read(100_000, 100_001);
    signature = 2;
    expect(await source.read(200_000, 200_003)).toEqual(file.slice(200_000, 200_003));
    expect(asked.map(({ url }) => url)).toEqual([
      "/model.gguf",
      "/cdn?sig=1",
      "/cdn?sig=1",
      "/cdn?sig=1",
      "/model.gguf",
      "/cdn?sig=2",
    ]);
    expect(asked[0]?.headers.authorization).toBe("Bearer abc");
  });

  test("an address on another server, where a redirect led, gets no header but the range", async () => {
    const there: IncomingMessage["headers"][] = [];
    const other = createServer((request, response) => {
      there.push(request.headers);
      const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      honest(response, Number(start), Number(last) + 1);
    });
    await new Promise<void>((ready) => other.listen(0, "127.0.0.1", ready));
    const { port } = other.address() as AddressInfo;
    handler = (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/x` }).end();
    try {
      const headers = { authorization: "Bearer abc", "x-key": "k" };
      const source = await urlSource(model(), { headers });
      await source.read(100_000, 100_001);
      await source.read(200_000, 200_001);
      expect(asked).toHaveLength(1);
      expect(there.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
      expect(there.slice(1).map((each) => each["x-key"])).toEqual([undefined, undefined]);
    } finally {
      other.closeAllConnections();
      other.close();
    }
  });
});

describe("urlStore", () => {
  test("keeps the query, escapes names, and 404 means no file", async () => {
    handler = (request, response, [start, end]) => {
      if (request.url?.startsWith("/models/llama/")) honest(response, start, end);
      else response.writeHead(404).end("no");
    };
    const store = urlStore(`${base}/models/llama?token=secret`);
    const source = await store.open("sub/a b#1.json");
    expect(source?.byteLength).toBe(300_000);
    expect(asked[0]?.url).toBe("/models/llama/sub/a%20b%231.json?token=secret");
    expect(source?.name).not.toContain("secret");
    expect(await urlStore(base).open("config.json")).toBeUndefined();
    expect(await store.list()).toBeUndefined();
    await expect(store.open("../other")).rejects.toMatchObject({ code: "FORMAT" });
  });

  test("403 is a refusal, not a missing file", async () => {
    handler = (_, response) => response.writeHead(403).end();
    await expect(urlStore(base).open("x")).rejects.toMatchObject({
      code: "IO",
      message: "The server refuses access (403).",
    });
    expect(asked).toHaveLength(1);
  });
});

describe("servers that cannot be used get a clear IoError", () => {
  const refuses = async (message: string | RegExp, handle: Handler): Promise<void> => {
    handler = handle;
    const error = await urlSource(model(), { retries: 0 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(IoError);
    expect(error).toMatchObject({ path: model(), message: expect.stringMatching(message) });
  };

  test("ignores Range: the rest of the file is not downloaded", async () => {
    let written = 0;
    const closed = new Promise<void>((resolve) => {
      handler = (_, response) => {
        response.writeHead(200, { "content-length": 1e10 });
        const more = (): void => {
          const block = new Uint8Array(65536);
          while (response.write(block)) written += block.byteLength;
          written += block.byteLength;
        };
        response.on("drain", more);
        response.on("close", resolve);
        more();
      };
    });
    await expect(urlSource(model())).rejects.toThrow("The server ignores Range");
    await closed;
    expect(written).toBeLessThan(64_000_000);
    expect(asked).toHaveLength(1);
  });

  test("ignores Range without a length", () =>
    refuses("ignores Range", (_, response) => response.writeHead(200).end(file)));

  test("ignores Range, but the whole file is tiny: accepted", async () => {
    handler = (_, response) => response.writeHead(200).end("{}");
    const source = await urlSource(model());
    expect(source.byteLength).toBe(2);
    expect(new TextDecoder().decode(await source.read(0, 2))).toBe("{}");
  });

  test("ignores Range only later", async () => {
    handler = serve;
    const source = await urlSource(model());
    handler = (_, response) => response.writeHead(200, { etag: '"v1"' }).end(file);
    await expect(source.read(100_000, 100_010)).rejects.toThrow("ignored Range this time");
  });

  test("404", () => refuses(/no such file.*404/, (_, response) => response.writeHead(404).end()));
  test("401", () =>
    refuses("refuses access (401)".replace(/[()]/g, "\\$&"), (_, response) => response.writeHead(401).end()));
  test("another status", () => refuses("answered 418", (_, response) => response.writeHead(418).end()));

  test("206 without Content-Range", () =>
    refuses("no Content-Range", (_, response) => response.writeHead(206).end("abc")));
  test.each([
    ["bytes 0-9/*", "does not tell"],
    ["items 0-9/10", "does not tell"],
    ["bytes 0-10/10", "impossible"],
    ["bytes 5-2/10", "impossible"],
    ["bytes 0-9/99999999999999999999", "impossible"],
    ["bytes 1-9/10", "were asked for"],
    ["bytes 0-8/10", "were asked for"],
    ["bytes 0-65536/100000", "were asked for"],
  ])("Content-Range: %s", (value, message) =>
    refuses(message, (_, response) =>
      response.writeHead(206, { "content-range": value }).end(file.subarray(0, 10)),
    ),
  );

  test("more bytes than announced", () =>
    refuses("more bytes than it announced", (_, response) =>
      response.writeHead(206, { "content-range": "bytes 0-9/10" }).end(file.subarray(0, 11)),
    ));

  test("a compressed range", () =>
    refuses("compressed the answer (gzip)".replace(/[()]/g, "\\$&"), (_, response) =>
      response
        .writeHead(206, { "content-range": "bytes 0-9/10", "content-encoding": "gzip" })
        .end(file.subarray(0, 10)),
    ));

  test("no server on the port", async () => {
    const unused = createServer();
    await new Promise<void>((resolve) => unused.listen(0, "127.0.0.1", resolve));
    const { port } = unused.address() as AddressInfo;
    await new Promise((resolve) => unused.close(resolve));
    await expect(urlSource(`http://127.0.0.1:${port}/x`, { retries: 0 })).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });
});

describe("a file that changes on the server", () => {
  test.each<[string, (response: ServerResponse, start: number, end: number) => void, string]>([
    ["another ETag", (response, start, end) => honest(response, start, end, '"v2"'), '"v1" became "v2"'],
    [
      "another length",
      (response, start, end) => honest(response, start, end, '"v1"', file.subarray(1)),
      "it had 300000 bytes, now 299999",
    ],
    [
      "now too short",
      (response, start, end) => honest(response, start, end, '"v1"', file.subarray(0, 9)),
      "(416)",
    ],
    ["gone", (response) => response.writeHead(404).end(), "it is gone (404)"],
  ])("%s", async (_, later, message) => {
    handler = serve;
    const source = await urlSource(model());
    handler = (_request, response, [start, end]) => later(response, start, end);
    const error: unknown = await source.read(100_000, 100_100).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "IO",
      offset: 100_000,
      message: expect.stringContaining("The file changed on the server while it was being read"),
    });
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
    // a change is final: no second try
    expect(asked).toHaveLength(2);
  });

  test("Last-Modified is used where there is no ETag", async () => {
    const at = (date: string): Handler => {
      return (_, response, [start, end]) => {
        response.writeHead(206, {
          "content-range": `bytes ${start}-${end - 1}/300000`,
          "last-modified": date,
        });
        response.end(file.subarray(start, end));
      };
    };
    handler = at("Mon, 01 Jan 2024 00:00:00 GMT");
    const source = await urlSource(model());
    handler = at("Tue, 02 Jan 2024 00:00:00 GMT");
    await expect(source.read(100_000, 100_001)).rejects.toThrow("changed on the server");
  });
});

describe("temporary faults", () => {
  /** Answers `count` times by `bad`, then honestly. */
  function badFirst(
    count: number,
    bad: (response: ServerResponse, start: number, end: number) => void,
  ): Handler {
    let left = count;
    return (_, response, [start, end]) =>
      left-- > 0 ? bad(response, start, end) : honest(response, start, end);
  }
  const cut = (response: ServerResponse, start: number, end: number): void => {
    const stop = Math.min(end, file.byteLength);
    response.writeHead(206, {
      "content-range": `bytes ${start}-${stop - 1}/${file.byteLength}`,
      "content-length": stop - start,
      etag: '"v1"',
    });
    response.write(file.subarray(start, start + 1000), () => setTimeout(() => response.destroy(), 20));
  };

  test.each([429, 503])("%d with Retry-After is requested again", async (status) => {
    handler = badFirst(2, (response) => response.writeHead(status, { "retry-after": "0" }).end());
    expect((await urlSource(model())).byteLength).toBe(300_000);
    expect(asked).toHaveLength(3);
  });

  test("Retry-After is respected", async () => {
    handler = badFirst(1, (response) => response.writeHead(429, { "retry-after": "1" }).end());
    const start = performance.now();
    await urlSource(model());
    expect(performance.now() - start).toBeGreaterThan(950);
  });

  test("a Retry-After of an hour is reported at once", async () => {
    handler = (_, response) => response.writeHead(429, { "retry-after": "3600" }).end();
    await expect(urlSource(model())).rejects.toThrow("(429). It asks to wait 3600 s.");
    expect(asked).toHaveLength(1);
  });

  test("the repetitions are bounded", async () => {
    handler = (_, response) => response.writeHead(503, { "retry-after": "0" }).end();
    await expect(urlSource(model(), { retries: 2 })).rejects.toMatchObject({
      code: "IO",
      hint: expect.stringContaining("later"),
    });
    expect(asked).toHaveLength(3);
  });

  test("a cut-off body is continued where it ended", async () => {
    handler = serve;
    const source = await urlSource(model());
    handler = badFirst(2, cut);
    expect(await source.read(100_000, 150_000)).toEqual(file.subarray(100_000, 150_000));
    expect(asked.slice(1).map(({ range }) => range)).toEqual([
      "bytes=100000-149999",
      "bytes=101000-149999",
      "bytes=102000-149999",
    ]);
  });

  test("a server that always cuts off", async () => {
    handler = serve;
    const source = await urlSource(model(), { retries: 1 });
    handler = (_, response, [start, end]) => cut(response, start, end);
    await expect(source.read(100_000, 150_000)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringMatching(/network failed/),
    });
    expect(asked).toHaveLength(3);
  });

  test("a body that just ends early", async () => {
    handler = (_, response, [start]) =>
      response
        .writeHead(206, { "content-range": `bytes ${start}-65535/300000`, etag: '"v1"' })
        .end(file.subarray(0, 99));
    await expect(urlSource(model(), { retries: 0 })).rejects.toThrow(
      "The connection ended after 99 of 65536 bytes.",
    );
  });

  test("a server that falls silent", async () => {
    handler = (_, response) => response.writeHead(206, { "content-range": "bytes 0-9/10" }).write("abc");
    await expect(urlSource(model(), { retries: 0, stallTimeout: 60 })).rejects.toThrow(
      "the server fell silent",
    );
  });
});

describe("the caller", () => {
  test("can cancel, also between repetitions", async () => {
    handler = (_, response) => response.writeHead(503, { "retry-after": "20" }).end();
    const controller = new AbortController();
    const opening = urlSource(model(), { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(opening).rejects.toThrow("enough");
    await expect(urlSource(model(), { signal: controller.signal })).rejects.toThrow("enough");
    expect(asked).toHaveLength(1);
  });

  test("can replace fetch", async () => {
    const source = await urlSource("https://example.org/x", {
      fetch: async (_, init) => {
        expect(init?.headers).toMatchObject({ range: "bytes=0-65535" });
        return new Response("abc", { status: 206, headers: { "content-range": "bytes 0-2/3" } });
      },
    });
    expect(source.byteLength).toBe(3);
  });

  test.each(["secret\nX-Other: 1", "secret\u2028", "secret\u0000"])(
    "gets the name of a header that cannot be sent, not its value: %j",
    async (value) => {
      const refusal = urlSource(model(), { headers: { authorization: `Bearer ${value}` } });
      await expect(refusal).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringMatching(/^(?!.*secret).*"authorization"/s),
      });
      expect(asked).toEqual([]);
    },
  );

  test.each(["nonsense", "file:///etc/passwd", "ftp://x/y", "http://user:pass@localhost/x"])(
    "cannot request %s",
    async (url) => {
      await expect(urlSource(url)).rejects.toThrow(UsageError);
      expect(() => urlStore(url)).toThrow(UsageError);
    },
  );
});
