/** Conversions from servers that fail, lie or change in the middle: the right file, or exit 4 and nothing. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";
import { type Answer, honest, serveFiles, type TestServer } from "./serving.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-lying-"));
const local = join(folder, "local.gguf");

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function hubFile(path: string): Uint8Array | undefined {
  if (!/^\/kjv\/tiny\/resolve\/main\/[\w.]+$/.test(path)) return undefined;
  const file = join(hf, basename(path));
  return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
}

let servers: TestServer[] = [];
const environment = { ...process.env };
beforeAll(async () => {
  const { status, err } = await requant(
    "convert",
    hf,
    local,
    "--to",
    "gguf:q8_0",
    "--set",
    "general.name=str:kjv",
  );
  expect(status, err).toBe(0);
});
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
  process.env = { ...environment };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function serve(fileOf: (path: string) => Uint8Array | undefined, answer: Answer): Promise<TestServer> {
  const server = await serveFiles(fileOf, answer);
  servers.push(server);
  return server;
}

let outputs = 0;
/** Converts from the hub that `answer` plays. */
async function convert(answer: Answer) {
  const server = await serve(hubFile, answer);
  process.env["HF_ENDPOINT"] = server.url;
  process.env["HF_TOKEN"] = "hf_do_not_tell";
  const directory = join(folder, `out-${outputs++}`);
  const output = join(directory, "m.gguf");
  const result = await requant(
    "convert",
    "hf:kjv/tiny",
    output,
    "--to",
    "gguf:q8_0",
    "--set",
    "general.name=str:kjv",
    "--json",
  );
  expect(`${result.out}${result.err}`).not.toContain("hf_do_not_tell");
  return { ...result, server, output, directory };
}

const weights = (path: string): boolean => path.endsWith("model.safetensors");

/** Misbehaves for the weights from the `from`-th request on (for `count` of them), and is honest otherwise. */
function fromRequest(from: number, bad: Answer, count = Number.POSITIVE_INFINITY): Answer {
  let seen = 0;
  return (asked, response, bytes, total) => {
    if (!weights(asked.path) || bytes === undefined) return honest(asked, response, bytes, total);
    seen += 1;
    return seen > from && seen <= from + count
      ? bad(asked, response, bytes, total)
      : honest(asked, response, bytes, total);
  };
}

describe("faults that pass", () => {
  it.each<[string, Answer]>([
    ["429 with Retry-After", (_, response) => response.writeHead(429, { "retry-after": "0" }).end()],
    ["503 with Retry-After", (_, response) => response.writeHead(503, { "retry-after": "0" }).end()],
    [
      "a connection cut in the middle of a range",
      ({ start, end }, response, bytes) => {
        response.writeHead(206, {
          etag: '"one"',
          "content-range": `bytes ${start}-${end - 1}/${bytes?.length}`,
          "content-length": end - start,
        });
        response.write(bytes?.subarray(start, start + Math.floor((end - start) / 2)), () =>
          response.destroy(),
        );
      },
    ],
  ])("%s: the output is the same as from the disk", async (_, bad) => {
    const { status, err, output } = await convert(fromRequest(2, bad, 2));
    expect(status, err).toBe(0);
    expect(sha256(output)).toBe(sha256(local));
  });
});

describe("faults that stay", () => {
  it.each<[string, Answer]>([
    [
      "another ETag in the middle of the conversion",
      ({ start, end }, response, bytes) =>
        response
          .writeHead(206, { etag: '"two"', "content-range": `bytes ${start}-${end - 1}/${bytes?.length}` })
          .end(bytes?.subarray(start, end)),
    ],
    ["416 in the middle", (_, response) => response.writeHead(416, { "content-range": "bytes */10" }).end()],
    ["404 in the middle", (_, response) => response.writeHead(404).end()],
    ["403 in the middle: a signature that ran out", (_, response) => response.writeHead(403).end()],
    ["the whole file instead of a range", (_, response, bytes) => response.writeHead(200).end(bytes)],
    [
      "other bytes than asked, said so",
      ({ start, end }, response, bytes) =>
        response
          .writeHead(206, { etag: '"one"', "content-range": `bytes ${start + 1}-${end}/${bytes?.length}` })
          .end(bytes?.subarray(start, end)),
    ],
    [
      "no Content-Range",
      ({ start, end }, response, bytes) => response.writeHead(206).end(bytes?.subarray(start, end)),
    ],
    [
      "compressed",
      ({ start, end }, response, bytes) =>
        response
          .writeHead(206, {
            etag: '"one"',
            "content-encoding": "br",
            "content-range": `bytes ${start}-${end - 1}/${bytes?.length}`,
          })
          .end(bytes?.subarray(start, end)),
    ],
    ["a Retry-After of an hour", (_, response) => response.writeHead(429, { "retry-after": "3600" }).end()],
    ["a redirect in a circle", ({ path }, response) => response.writeHead(302, { location: path }).end()],
  ])("%s: exit 4, one error, no output", async (_, bad) => {
    const { status, out, err, directory } = await convert(fromRequest(2, bad));
    expect(status, err).toBe(4);
    expect(out).toBe("");
    expect(JSON.parse(err).error).toMatchObject({ code: "IO", message: expect.stringMatching(/\S/) });
    // what --resume goes on from may stay
    const left = existsSync(directory) ? readdirSync(directory) : [];
    expect(left.filter((name) => !/^\.m\.gguf\.requant-(part|journal)$/.test(name))).toEqual([]);
  });
});

describe("a hub that sends its files from elsewhere", () => {
  it("converts, and the token goes to the hub only", async () => {
    const elsewhere = await serve((path) => hubFile(path), honest);
    const { status, err, output, server } = await convert(({ path }, response, bytes) =>
      bytes === undefined
        ? response.writeHead(404).end()
        : response.writeHead(302, { location: `${elsewhere.url}${path}?signature=s3cr3t` }).end(),
    );
    expect(status, err).toBe(0);
    expect(sha256(output)).toBe(sha256(local));
    expect(new Set(server.asked.map(({ headers }) => headers.authorization))).toEqual(
      new Set(["Bearer hf_do_not_tell"]),
    );
    expect(elsewhere.asked.length).toBeGreaterThan(2);
    expect(new Set(elsewhere.asked.map(({ headers }) => headers.authorization))).toEqual(
      new Set([undefined]),
    );
  });

  it("a refusal there tells neither token nor signature", async () => {
    const elsewhere = await serve(
      () => undefined,
      (_, response) => response.writeHead(403).end(),
    );
    const { status, err } = await convert(({ path }, response) =>
      response.writeHead(302, { location: `${elsewhere.url}${path}?signature=s3cr3t` }).end(),
    );
    expect(status).toBe(4);
    expect(err).not.toMatch(/s3cr3t/);
  });
});

describe("addresses", () => {
  it.each([
    "http://",
    "https://[::bad",
    "hf:only-owner",
    "hf:../x",
    "hf:a/..",
    "s3://",
    "s3://UPPER/x",
    "s3://bucket/../other/x",
  ])("%s is wrong usage", async (address) => {
    const { status, err } = await requant("inspect", address, "--json");
    expect(status).toBe(2);
    expect(JSON.parse(err).error.code).toBe("USAGE");
  });
});
