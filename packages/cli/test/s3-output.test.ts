/** S3 as an output. The bytes must be those of a conversion to a directory; the stand-in server checks signatures and checksums. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type ConversionReport,
  openModel,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
} from "@requant/convert";
import type { Finding } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { refuse, S3_KEYS, type StandInS3, standInS3 } from "../../../fixtures/stand-in-s3.ts";
import { s3Place } from "../src/s3/address.ts";
import { partLengthFor } from "../src/s3/multipart.ts";
import { s3OutputStore } from "../src/s3/output.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-s3-output-"));
const environment = process.env;
const PART = 64 * 1024;
const MiB = 1024 * 1024;
/** Made by conversions to a directory, which other tests hold to the real tools. */
const local = { gguf: join(folder, "local.gguf"), safetensors: join(folder, "local") };
let server: StandInS3;
let home: string;

beforeAll(async () => {
  for (const [output, target] of [
    [local.gguf, "gguf:q8_0"],
    [local.safetensors, "safetensors:f16"],
  ] as const) {
    const { status, err } = await requant("convert", hf, output, "--to", target, "--shard-size", "2MB");
    expect(status, err).toBe(0);
  }
  rmSync(local.gguf, { recursive: true, force: true });
  const { status, err } = await requant("convert", hf, local.gguf, "--to", "gguf:q8_0");
  expect(status, err).toBe(0);
});
beforeEach(async () => {
  server = await standInS3("bucket");
  home = mkdtempSync(join(folder, "home-"));
  process.env = { ...environment, ...S3_KEYS, AWS_ENDPOINT_URL_S3: server.url, XDG_CACHE_HOME: home };
});
afterEach(() => {
  server.close();
  process.env = environment;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const uploadsFolder = (): string => join(home, "requant", "uploads");
const left = (): string[] => readdirSync(uploadsFolder());
const partsPut = (): number => server.asked.filter(({ query }) => query.has("partNumber")).length;

/** The same conversion with small parts. */
async function upload(
  options: RunOptions & { target?: string; stallTimeout?: number } = {},
): Promise<ConversionReport> {
  const { target = "gguf:q8_0", stallTimeout, ...run } = options;
  const model = await openModel({ store: directoryStore(hf) });
  try {
    const plan = await planConversion(model, parseTarget(target), { outputName: "m" });
    const place = s3Place("s3://bucket/out/", process.env, () => false);
    const store = s3OutputStore(place, uploadsFolder(), {
      partByteLength: PART,
      retries: 2,
      ...(stallTimeout === undefined ? {} : { stallTimeout }),
      ...(run.signal === undefined ? {} : { signal: run.signal }),
    });
    return await runPlan(plan, model, store, { bandByteLength: PART, ...run });
  } finally {
    await model.close();
  }
}

/** The same in a process of its own. */
function uploadingChild(): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      "--conditions=@requant/source",
      join(import.meta.dirname, "s3-child.ts"),
      hf,
      "s3://bucket/out/",
      uploadsFolder(),
      "gguf:q8_0",
    ],
    { env: process.env, stdio: ["ignore", "ignore", "inherit"] },
  );
  return child;
}

function expectWhole(): void {
  expect(server.objects.get("/bucket/out/m.gguf")?.equals(readFileSync(local.gguf))).toBe(true);
  expect(server.uploads.size).toBe(0);
  expect(left()).toEqual([]);
}

/** Answers requests for parts with a refusal, after so many were taken. */
function failAfter(parts: number, status: number, code: string): void {
  let taken = 0;
  server.fault = ({ query, method }, response) => {
    if (method !== "PUT" || !query.has("partNumber") || taken++ < parts) return false;
    refuse(response, status, code);
    return true;
  };
}

describe("convert to s3://", () => {
  it("one file: the bytes are those of a local conversion, and nothing is left", async () => {
    const { status, out, err } = await requant(
      "convert",
      hf,
      "s3://bucket/a folder/m.gguf",
      "--to",
      "gguf:q8_0",
    );
    expect(status, err).toBe(0);
    expect(out).toContain("s3://bucket/a folder/m.gguf");
    expect(server.objects.get("/bucket/a folder/m.gguf")?.equals(readFileSync(local.gguf))).toBe(true);
    expect(server.uploads.size).toBe(0);
    expect(left()).toEqual([]);
    expect(`${out}${err}`).not.toContain(S3_KEYS.AWS_SECRET_ACCESS_KEY);
    const verified = await requant("verify", "s3://bucket/a folder/m.gguf", local.gguf);
    expect(verified.status, verified.err).toBe(0);
  });

  it("a directory of several files", async () => {
    const target = ["--to", "safetensors:f16", "--shard-size", "2MB"];
    const { status, err } = await requant("convert", hf, "s3://bucket/dir", ...target, "--json");
    expect(status, err).toBe(0);
    const names = readdirSync(local.safetensors).sort();
    expect([...server.objects.keys()].sort()).toEqual(names.map((name) => `/bucket/dir/${name}`));
    for (const name of names) {
      const bytes = readFileSync(join(local.safetensors, name));
      expect(server.objects.get(`/bucket/dir/${name}`)?.equals(bytes), name).toBe(true);
    }
  });

  it("an object that exists is refused, and replaced under --overwrite", async () => {
    server.objects.set("/bucket/m.gguf", Buffer.from("old"));
    const args = ["convert", hf, "s3://bucket/m.gguf", "--to", "gguf:q8_0"];
    const refused = await requant(...args, "--json");
    expect(refused.status).toBe(4);
    expect(JSON.parse(refused.err).error.message).toMatch(/exists already/);
    expect(server.objects.get("/bucket/m.gguf")?.toString()).toBe("old");
    expect(await requant(...args, "--overwrite")).toMatchObject({ status: 0 });
    expect(server.objects.get("/bucket/m.gguf")?.equals(readFileSync(local.gguf))).toBe(true);
  });

  it("a prefix that holds another model is refused", async () => {
    server.objects.set("/bucket/dir/other.safetensors", Buffer.from("x"));
    const { status, err } = await requant(
      "convert",
      hf,
      "s3://bucket/dir",
      "--to",
      "safetensors:f16",
      "--json",
    );
    expect(status).toBe(2);
    expect(JSON.parse(err).error.message).toMatch(/another model: other\.safetensors/);
  });

  it("a folder named like a file, an address of another kind, a bucket that is not there", async () => {
    const cases: readonly (readonly [string, string, number, RegExp])[] = [
      ["s3://bucket/x.gguf", "safetensors:f16", 2, /name of a file/],
      ["https://example.org/m.gguf", "gguf:q8_0", 2, /nothing can be written/],
      ["s3://nowhere/m.gguf", "gguf:q8_0", 4, /no such bucket/],
    ];
    for (const [output, target, status, message] of cases) {
      const refused = await requant("convert", hf, output, "--to", target, "--json");
      expect(refused.status, refused.err).toBe(status);
      expect(JSON.parse(refused.err).error.message).toMatch(message);
    }
  });
});

describe("parts", () => {
  it("have 8 MiB, or as many MiB as let 10,000 of them hold the file", () => {
    const TiB = 1024 ** 4;
    expect([1, 8 * MiB + 1, 80_000 * MiB].map(partLengthFor)).toEqual([8 * MiB, 8 * MiB, 8 * MiB]);
    for (const length of [80_000 * MiB + 1, TiB, 5 * TiB]) {
      expect(partLengthFor(length) % MiB).toBe(0);
      expect(length / partLengthFor(length)).toBeLessThanOrEqual(10_000);
    }
  });

  it("the same bytes with small parts, whatever ends where", async () => {
    await upload();
    expectWhole();
    expect(partsPut()).toBe(Math.ceil(readFileSync(local.gguf).byteLength / PART));
  });

  it("a busy server (503) is asked again", async () => {
    let busy = 0;
    server.fault = (_, response) => {
      if (busy++ % 9 !== 4) return false;
      response.writeHead(503, { "retry-after": "0" }).end();
      return true;
    };
    await upload();
    expect(busy).toBeGreaterThan(20);
    expectWhole();
  });

  it("a server that falls silent is asked again", async () => {
    let silent = 0;
    server.fault = ({ query }) => query.get("partNumber") === "5" && silent++ === 0;
    await upload({ stallTimeout: 150 });
    expect(silent).toBe(2);
    expectWhole();
  });

  it("a part whose ETag is another checksum is sent again, and refused if it stays so", async () => {
    let wrong = 0;
    let always = false;
    server.fault = ({ query }, response) => {
      if (query.get("partNumber") !== "3" || (!always && wrong++ > 0)) return false;
      response.writeHead(200, { etag: `"${"0".repeat(32)}"`, "retry-after": "0" }).end();
      return true;
    };
    await upload();
    expect(wrong).toBe(2);
    expectWhole();
    always = true;
    await expect(upload({ overwrite: true })).rejects.toThrow(/Part 3 was sent with the MD5/);
  }, 60_000);

  it("an object whose ETag is not that of its parts is read back, and removed where its bytes differ", async () => {
    const damage = (bytes: Buffer): void => {
      bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
    };
    // the server hides its checksum, and one byte has changed
    server.fault = ({ method, query, path, body }, response) => {
      if (method !== "POST" || !query.has("uploadId")) return false;
      const parts = server.uploads.get(query.get("uploadId") ?? "")?.parts ?? new Map<number, Buffer>();
      expect(body.toString()).toContain("<PartNumber>1</PartNumber>");
      const bytes = Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, part]) => part));
      damage(bytes);
      server.objects.set(path, bytes);
      response
        .writeHead(200)
        .end("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
      return true;
    };
    await expect(upload()).rejects.toThrow(/not what was written/);
    expect(server.objects.size).toBe(0);
  });

  it("a refusal for good aborts nothing that can be resumed; without `keep` all parts are removed", async () => {
    failAfter(6, 403, "AccessDenied");
    await expect(upload({ keep: false })).rejects.toThrow(/does not allow/);
    expect(server.uploads.size).toBe(0);
    expect(server.objects.size).toBe(0);
    expect(left()).toEqual([]);
  });

  it("an error in an answer of status 200 is an error", async () => {
    server.fault = ({ method, query }, response) => {
      if (method !== "POST" || !query.has("uploadId")) return false;
      response.writeHead(200).end("<Error><Code>AccessDenied</Code></Error>");
      return true;
    };
    await expect(upload({ keep: false })).rejects.toThrow(/does not allow/);
    expect(server.objects.size).toBe(0);
  });

  it("the lost answer to the last request is no failure", async () => {
    let lost = 0;
    server.lostAnswer = ({ method, query }) => method === "POST" && query.has("uploadId") && lost++ === 0;
    await upload();
    expect(lost).toBe(2);
    expectWhole();
  });
});

describe("resume", () => {
  it("after an interruption only the missing parts are sent, and the report is that of one run", async () => {
    const whole = await upload({ overwrite: true });
    server.objects.clear();
    server.asked.length = 0;
    const abort = new AbortController();
    const findings: Finding[] = [];
    let pieces = 0;
    const onProgress = (): void => {
      if (++pieces === 20) abort.abort();
    };
    await expect(
      upload({ signal: abort.signal, onProgress, onFinding: (f) => findings.push(f) }),
    ).rejects.toThrow(/abort/i);
    expect(findings.map(({ code }) => code)).toEqual(["kept"]);
    expect(server.objects.size).toBe(0);
    const [open] = server.uploads.values();
    const before = open?.parts.size ?? 0;
    expect(before).toBeGreaterThan(3);
    server.asked.length = 0;
    const resumed = await upload({ resume: true });
    expectWhole();
    const total = Math.ceil(readFileSync(local.gguf).byteLength / PART);
    // the answers to at most four parts were on their way
    expect(partsPut()).toBeGreaterThanOrEqual(total - before);
    expect(partsPut()).toBeLessThanOrEqual(total - before + 4);
    const { seconds: _, ...expected } = whole;
    expect(resumed).toMatchObject(expected);
  });

  it("a killed process: the next run goes on, and the bytes are the same", async () => {
    const child = uploadingChild();
    const ended = once(child, "close");
    let taken = 0;
    server.fault = ({ query }) => {
      if (query.has("partNumber") && ++taken === 12) child.kill("SIGKILL");
      return false;
    };
    const [, signal] = await ended;
    expect(signal).toBe("SIGKILL");
    server.fault = () => false;
    expect(server.uploads.size).toBe(1);
    expect(server.objects.size).toBe(0);
    server.asked.length = 0;
    await upload({ resume: true });
    expectWhole();
    expect(partsPut()).toBeLessThan(Math.ceil(readFileSync(local.gguf).byteLength / PART) - 5);
  }, 60_000);

  it("a process that was killed after the server had put the parts together: nothing is sent again", async () => {
    const child = uploadingChild();
    const ended = once(child, "close");
    server.lostAnswer = ({ method, query }) => {
      const isLast = method === "POST" && query.has("uploadId");
      if (isLast) child.kill("SIGKILL");
      return isLast;
    };
    await ended;
    server.lostAnswer = () => false;
    expect(server.objects.size).toBe(1);
    server.asked.length = 0;
    await upload({ resume: true });
    expect(partsPut()).toBe(0);
    expectWhole();
  }, 60_000);

  it("files of a set that cannot be completed take back the names of the others, and are completed later", async () => {
    const args = ["convert", hf, "s3://bucket/dir", "--to", "safetensors:f16", "--shard-size", "2MB"];
    let completed = 0;
    server.fault = ({ method, query }, response) => {
      if (method !== "POST" || !query.has("uploadId") || completed++ < 2) return false;
      refuse(response, 403, "ExpiredToken");
      return true;
    };
    const { status, err } = await requant(...args);
    expect(status).toBe(4);
    expect(err).toMatch(/session token has expired/);
    expect(err).toMatch(/Run again with --resume/);
    expect(server.objects.size).toBe(0);
    server.fault = () => false;
    expect(await requant(...args, "--resume")).toMatchObject({ status: 0 });
    for (const name of readdirSync(local.safetensors)) {
      const bytes = readFileSync(join(local.safetensors, name));
      expect(server.objects.get(`/bucket/dir/${name}`)?.equals(bytes), name).toBe(true);
    }
    expect(server.uploads.size).toBe(0);
    expect(left()).toEqual([]);
  });

  it("a part that the server has lost or changed meanwhile is sent again", async () => {
    failAfter(8, 500, "InternalError");
    await expect(upload({ stallTimeout: 5_000 })).rejects.toThrow(/busy/);
    server.fault = () => false;
    const [open] = server.uploads.values();
    const [first = 0, second = 0] = [...(open?.parts.keys() ?? [])];
    open?.parts.delete(first);
    open?.parts.set(second, Buffer.alloc(PART, 7));
    await upload({ resume: true });
    expectWhole();
  }, 60_000);

  it("an upload that the server has dropped is begun anew", async () => {
    failAfter(8, 403, "AccessDenied");
    await expect(upload()).rejects.toThrow();
    server.fault = () => false;
    server.uploads.clear();
    await upload({ resume: true });
    expectWhole();
  });

  it("without `resume` the earlier upload is aborted", async () => {
    failAfter(8, 403, "AccessDenied");
    await expect(upload()).rejects.toThrow();
    server.fault = () => false;
    const [id] = server.uploads.keys();
    await upload();
    expect(
      server.asked.some(({ method, query }) => method === "DELETE" && query.get("uploadId") === id),
    ).toBe(true);
    expectWhole();
  });

  it("another conversion does not go on with it", async () => {
    failAfter(8, 403, "AccessDenied");
    await expect(upload({ target: "gguf:q8_0" })).rejects.toThrow();
    server.fault = () => false;
    await expect(upload({ resume: true, bandByteLength: 2 * PART })).rejects.toThrow(/was another one/);
    await upload({ resume: true });
    expectWhole();
  });
});

describe("without keys", () => {
  it.each([
    ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID is not set."],
    ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY is not set."],
  ])("(%s) an output is refused before anything is asked of a server", async (name, words) => {
    delete process.env[name];
    const output = "s3://bucket/keys/m.gguf";
    const { status, err } = await requant("convert", "s3://bucket/source/", output, "--to", "gguf:q8_0");
    expect(status).toBe(2);
    expect(err).toContain(words);
    expect(server.asked).toEqual([]);
    // a plan writes nothing
    expect(await requant("convert", hf, output, "--to", "gguf:q8_0", "--plan")).toMatchObject({ status: 0 });
  });
});

describe("memory", () => {
  it("a slow server slows the run down: no more than four parts are on their way", async () => {
    let open = 0;
    let most = 0;
    server.fault = (asked, response) => {
      if (!asked.query.has("partNumber")) return false;
      most = Math.max(most, ++open);
      response.on("close", () => open--);
      return false;
    };
    await upload();
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(0);
    expectWhole();
  });
});
