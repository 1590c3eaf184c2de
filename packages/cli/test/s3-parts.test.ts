/**
 * A plan in parts whose machines share nothing but a bucket. The oracle is the file that one conversion makes on a disk; the
 * stand-in server checks signatures and checksums, and the upload of each part.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  abandonParts,
  openModel,
  openParts,
  type PartOptions,
  type PartReport,
  type Plan,
  type PlanParts,
  parseTarget,
  planConversion,
  plannedVersions,
  runPlan,
  type SavedPlan,
  savedPlan,
  serializePlan,
} from "@requant/convert";
import type { BegunUpload } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { refuse, S3_KEYS, type StandInS3, standInS3 } from "../../../fixtures/stand-in-s3.ts";
import { s3Place } from "../src/s3/address.ts";
import { s3OutputStore } from "../src/s3/output.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-s3-parts-"));
const environment = process.env;
/** Bytes of a chunk and of a band; neither divides the other. */
const CHUNK = 60_000;
const BAND = 64 * 1024;
let server: StandInS3;

const TARGETS = ["gguf:q4_0", "safetensors:f16", "gptq:4bit-128g-sym"] as const;
type Target = (typeof TARGETS)[number];
/** Made by conversions to a directory, which other tests hold to the real tools. */
const expected = new Map<Target, Map<string, Buffer>>();

async function planned(target: Target): Promise<{ plan: Plan; close(): Promise<void> }> {
  const model = await openModel({ store: directoryStore(hf) });
  const shardSize = target === "safetensors:f16" ? 2_000_000 : undefined;
  const plan = await planConversion(model, parseTarget(target), { outputName: "m", shardSize });
  return { plan, close: () => model.close() };
}

beforeAll(async () => {
  for (const target of TARGETS) {
    const model = await openModel({ store: directoryStore(hf) });
    const { plan, close } = await planned(target);
    const path = join(folder, target.replace(":", "-"));
    await runPlan(plan, model, directoryStore(path), { bandByteLength: BAND });
    expected.set(
      target,
      new Map(readdirSync(path).map((name): [string, Buffer] => [name, readFileSync(join(path, name))])),
    );
    await close();
    await model.close();
  }
}, 60_000);
beforeEach(async () => {
  server = await standInS3("bucket");
  process.env = {
    ...environment,
    ...S3_KEYS,
    AWS_ENDPOINT_URL_S3: server.url,
    XDG_CACHE_HOME: mkdtempSync(join(folder, "home-")),
  };
});
afterEach(() => {
  server.close();
  process.env = environment;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const storeOf = (signal?: AbortSignal): ReturnType<typeof s3OutputStore> =>
  s3OutputStore(
    s3Place("s3://bucket/out/", process.env, () => false),
    join(folder, "unused"),
    { partByteLength: CHUNK, retries: 2, ...(signal === undefined ? {} : { signal }) },
    "run the same command again",
  );

/** Saves a plan with small chunks, as `convert --plan-out` does with those of 8 MiB. */
async function saved(target: Target = "gguf:q4_0"): Promise<SavedPlan> {
  const { plan, close } = await planned(target);
  const model = await openModel({ store: directoryStore(hf) });
  const store = storeOf();
  const begun: BegunUpload[] = [];
  for (const { name, byteLength } of plan.files) {
    const upload = await store.beginUpload?.(name, byteLength);
    if (upload !== undefined) begun.push(upload);
  }
  const content = savedPlan({
    source: { address: hf, versions: await plannedVersions(model) },
    guides: {},
    output: "s3://bucket/out/",
    uploads: begun.map(({ id, partByteLength }) => ({ id, partByteLength })),
    options: { bandByteLength: BAND },
    plan,
  });
  await model.close();
  await close();
  return content;
}

/** As a machine of its own: nothing is shared but the plan and the server. */
async function onMachine<T>(
  plan: SavedPlan,
  use: (parts: PlanParts) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const model = await openModel({ store: directoryStore(hf) });
  try {
    return await use(await openParts(plan, model, storeOf(signal)));
  } finally {
    await model.close();
  }
}

const runPart = (
  plan: SavedPlan,
  part: number,
  count: number,
  options: PartOptions = {},
): Promise<PartReport> => onMachine(plan, (parts) => parts.run({ part, count }, options), options.signal);

const finish = (plan: SavedPlan): ReturnType<PlanParts["finish"]> =>
  onMachine(plan, (parts) => parts.finish());

const puts = (): number => server.asked.filter(({ query }) => query.has("partNumber")).length;
const ledgers = (): string[] => [...server.objects.keys()].filter((key) => key.includes(".requant-parts/"));

function expectWhole(target: Target = "gguf:q4_0"): void {
  const files = expected.get(target) ?? new Map<string, Buffer>();
  expect([...server.objects.keys()].sort()).toEqual(
    [...files.keys()].map((name) => `/bucket/out/${name}`).sort(),
  );
  for (const [name, bytes] of files) {
    expect(server.objects.get(`/bucket/out/${name}`)?.equals(bytes), name).toBe(true);
  }
  expect(server.uploads.size).toBe(0);
}

describe("parts in a bucket", () => {
  it.each(TARGETS)("make the bytes of one machine, in any order and twice: %s", async (target) => {
    const plan = await saved(target);
    for (const part of [3, 1, 4, 1, 2]) await runPart(plan, part, 4);
    const sent = puts();
    expect(await runPart(plan, 2, 4)).toMatchObject({ state: "whole", madeCount: 0 });
    expect(puts()).toBe(sent);
    expect(ledgers().length).toBeGreaterThanOrEqual(4);
    const { tensors } = await finish(plan);
    expectWhole(target);
    if (target === "gguf:q4_0") expect(tensors.some(({ rmse = 0 }) => rmse > 0)).toBe(true);
  });

  it("report the errors that one run measures", async () => {
    const plan = await saved();
    for (let part = 1; part <= 5; part++) await runPart(plan, part, 5);
    const { seconds: _, ...report } = await finish(plan);
    const model = await openModel({ store: directoryStore(hf) });
    const { seconds: __, ...whole } = await runPlan(plan.plan, model, directoryStore(join(folder, "whole")), {
      bandByteLength: BAND,
    });
    await model.close();
    expect(report).toEqual(whole);
  });

  it("of different counts go together, also more than there are chunks", async () => {
    const plan = await saved();
    await runPart(plan, 1, 2);
    for (let part = 2; part <= 3; part++) await runPart(plan, part, 3);
    await finish(plan);
    expectWhole();
    const many = await saved();
    const count = await onMachine(many, async (parts) => parts.jobCount * 2);
    server.objects.clear();
    await onMachine(many, async (parts) => {
      for (let part = 1; part <= count; part++) await parts.run({ part, count });
    });
    await finish(many);
    expectWhole();
  }, 60_000);

  it("of two machines at the same time both end well, and so do two finishes", async () => {
    const plan = await saved();
    await Promise.all([1, 1, 2, 2].map((part) => runPart(plan, part, 2)));
    const [one, other] = await Promise.all([finish(plan), finish(plan)]);
    expect(one?.byteLength).toBe(other?.byteLength);
    expectWhole();
  });

  it("that were stopped go on where they ended", async () => {
    const plan = await saved();
    const stop = new AbortController();
    const onProgress: PartOptions["onProgress"] = ({ done, total }) => {
      if (done > total / 2) stop.abort();
    };
    await expect(runPart(plan, 1, 1, { signal: stop.signal, onProgress })).rejects.toThrow(/abort/i);
    const before = puts();
    expect(before).toBeGreaterThan(5);
    const { pieceCount, madeCount } = await runPart(plan, 1, 1);
    expect(madeCount).toBeLessThan(pieceCount);
    await finish(plan);
    expectWhole();
  });

  it("whose process was killed are made again", async () => {
    const plan = await saved();
    const path = join(folder, "killed.json");
    writeFileSync(path, serializePlan(plan));
    const child = partChild(path, "2/2");
    const ended = once(child, "close");
    let taken = 0;
    server.fault = ({ query }) => {
      if (query.has("partNumber") && ++taken === 6) child.kill("SIGKILL");
      return false;
    };
    expect(await ended).toEqual([null, "SIGKILL"]);
    server.fault = () => false;
    await expect(finish(plan)).rejects.toThrow(/it lacks part/);
    for (const part of [1, 2]) await runPart(plan, part, 2);
    await finish(plan);
    expectWhole();
  }, 60_000);

  it("that the server has lost or changed are named by the finish, and made again", async () => {
    const plan = await saved();
    for (let part = 1; part <= 3; part++) await runPart(plan, part, 3);
    const [upload] = server.uploads.values();
    const last = Math.max(...(upload?.parts.keys() ?? []));
    upload?.parts.delete(1);
    upload?.parts.set(last, Buffer.alloc(upload.parts.get(last)?.byteLength ?? 0, 7));
    await expect(finish(plan)).rejects.toMatchObject({
      reason: "parts-damaged",
      message: expect.stringContaining("parts 1/3, 3/3"),
    });
    expect(server.objects.has("/bucket/out/m.gguf")).toBe(false);
    const before = puts();
    for (const part of [1, 2, 3]) await runPart(plan, part, 3);
    expect(puts()).toBe(before + 2);
    await finish(plan);
    expectWhole();
  });

  it("that are missing are named", async () => {
    const plan = await saved();
    await expect(finish(plan)).rejects.toMatchObject({ reason: "parts-missing" });
    await runPart(plan, 2, 3);
    await expect(finish(plan)).rejects.toThrow("it lacks parts 1/3, 3/3");
  });

  it("with a ledger that was cut make what it does not claim", async () => {
    const plan = await saved();
    await runPart(plan, 1, 1);
    const [ledger = ""] = ledgers();
    const bytes = server.objects.get(ledger) ?? Buffer.alloc(0);
    server.objects.set(ledger, bytes.subarray(0, bytes.byteLength - 5));
    await expect(finish(plan)).rejects.toMatchObject({ reason: "parts-missing" });
    expect(await runPart(plan, 1, 1)).toMatchObject({ state: "made" });
    await finish(plan);
    expectWhole();
  });

  it("that come late, and a second finish, change nothing", async () => {
    const plan = await saved("safetensors:f16");
    await runPart(plan, 1, 1);
    await finish(plan);
    const before = puts();
    expect(await runPart(plan, 1, 1)).toMatchObject({ state: "published", madeCount: 0 });
    expect(await finish(plan)).toMatchObject({ finishedAlready: true });
    expect(puts()).toBe(before);
    expectWhole("safetensors:f16");
  });
});

describe("a server", () => {
  it("that is busy (503) is asked again", async () => {
    const plan = await saved();
    let busy = 0;
    server.fault = (_, response) => {
      if (busy++ % 9 !== 4) return false;
      response.writeHead(503, { "retry-after": "0" }).end();
      return true;
    };
    await runPart(plan, 1, 1);
    await finish(plan);
    expect(busy).toBeGreaterThan(20);
    expectWhole();
  });

  it("that reports another checksum gets the chunk again, and is refused if it stays so", async () => {
    const plan = await saved();
    let wrong = 0;
    let always = false;
    server.fault = ({ query }, response) => {
      if (query.get("partNumber") !== "3" || (!always && wrong++ > 0)) return false;
      response.writeHead(200, { etag: `"${"0".repeat(32)}"`, "retry-after": "0" }).end();
      return true;
    };
    await runPart(plan, 1, 1);
    expect(wrong).toBe(2);
    await finish(plan);
    expectWhole();
    always = true;
    const other = await saved();
    server.objects.clear();
    await expect(runPart(other, 1, 1)).rejects.toThrow(/Part 3 was sent with the MD5/);
  }, 60_000);

  it("whose ETags are no checksums: the finished file is read back", async () => {
    const plan = await saved();
    server.fault = ({ method, query, path }, response) => {
      if (method !== "POST" || !query.has("uploadId")) return false;
      const parts = server.uploads.get(query.get("uploadId") ?? "")?.parts ?? new Map<number, Buffer>();
      const bytes = Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, part]) => part));
      bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
      server.objects.set(path, bytes);
      response
        .writeHead(200)
        .end("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
      return true;
    };
    await runPart(plan, 1, 1);
    await expect(finish(plan)).rejects.toThrow(/not what was written/);
    expect(server.objects.has("/bucket/out/m.gguf")).toBe(false);
  });

  it("that refuses in the middle of a finish: files with tensors come first, the index last, and the next finish goes on", async () => {
    const plan = await saved("safetensors:f16");
    for (let part = 1; part <= 2; part++) await runPart(plan, part, 2);
    let completed = 0;
    server.fault = ({ method, query }, response) => {
      if (method !== "POST" || !query.has("uploadId") || completed++ < 2) return false;
      refuse(response, 403, "ExpiredToken");
      return true;
    };
    await expect(finish(plan)).rejects.toMatchObject({
      hint: "Get new credentials, and run the same command again.",
    });
    const there = [...server.objects.keys()].filter((key) => !key.includes(".requant-parts/"));
    expect(there).toHaveLength(2);
    expect(there.every((key) => key.endsWith(".safetensors"))).toBe(true);
    server.fault = () => false;
    expect(await runPart(plan, 1, 2)).toMatchObject({ madeCount: 0 });
    await finish(plan);
    expectWhole("safetensors:f16");
    const names = server.asked.filter(({ method, query }) => method === "POST" && query.has("uploadId"));
    expect(names.at(-1)?.path).toBe("/bucket/out/m.safetensors.index.json");
  });

  it("that has dropped the upload is told, with the way out", async () => {
    const plan = await saved();
    server.uploads.clear();
    for (const work of [runPart(plan, 1, 1), finish(plan)]) {
      await expect(work).rejects.toMatchObject({
        reason: "upload-dropped",
        hint: expect.stringContaining("Save a new plan"),
      });
    }
  });

  it("that has another file with the output's name: it is not replaced", async () => {
    const plan = await saved();
    server.objects.set("/bucket/out/m.gguf", Buffer.from("another file"));
    await expect(runPart(plan, 1, 1)).rejects.toThrow(/not what this plan makes/);
    await expect(finish(plan)).rejects.toThrow(/not what this plan makes/);
    expect(server.objects.get("/bucket/out/m.gguf")?.toString()).toBe("another file");
  });
});

it("no more than four chunks are on their way", async () => {
  const plan = await saved();
  let open = 0;
  let most = 0;
  server.fault = ({ query }, response) => {
    if (!query.has("partNumber")) return false;
    most = Math.max(most, ++open);
    response.on("close", () => open--);
    return false;
  };
  await runPart(plan, 1, 1);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(4);
});

it("an abandoned plan leaves nothing in the bucket", async () => {
  const plan = await saved();
  await runPart(plan, 1, 2);
  expect(server.uploads.size).toBe(1);
  for (let time = 0; time < 2; time++) await abandonParts(plan, storeOf());
  expect(server.uploads.size).toBe(0);
  expect([...server.objects.keys()]).toEqual([]);
});

/** The same part in a process of its own. */
function partChild(plan: string, part: string): ChildProcess {
  const bin = resolve(import.meta.dirname, "../src/bin.ts");
  return spawn(
    process.execPath,
    ["--conditions=@requant/source", "--no-warnings", bin, "run", plan, "--part", part, "--jobs", "1"],
    { env: process.env, stdio: ["ignore", "ignore", "inherit"] },
  );
}

describe("the commands", () => {
  it("save a plan without secrets, run it, replace what was there, and finish", async () => {
    const plan = join(folder, "commands.json");
    server.objects.set("/bucket/a folder/m.gguf", Buffer.from("old"));
    const args = [
      "convert",
      hf,
      "s3://bucket/a folder/m.gguf",
      "--to",
      "gguf:q4_0",
      "--plan-out",
      plan,
      "--quiet",
    ];
    expect(await requant(...args)).toMatchObject({ status: 4 });
    expect(server.uploads.size).toBe(0);
    expect(await requant(...args, "--overwrite")).toMatchObject({ status: 0, out: "" });
    const text = readFileSync(plan, "utf8");
    for (const secret of [S3_KEYS.AWS_SECRET_ACCESS_KEY, S3_KEYS.AWS_ACCESS_KEY_ID]) {
      expect(text).not.toContain(secret);
    }
    for (const part of ["2/2", "1/2"])
      expect(await requant("run", plan, "--part", part)).toMatchObject({ status: 0, err: "" });
    const finished = await requant("finish", plan);
    expect(finished).toMatchObject({ status: 0, err: "" });
    expect(finished.out).toContain("s3://bucket/a folder/m.gguf");
    const bytes = server.objects.get("/bucket/a folder/m.gguf");
    await requant("convert", hf, join(folder, "m.gguf"), "--to", "gguf:q4_0");
    expect(bytes?.equals(readFileSync(join(folder, "m.gguf")))).toBe(true);
    expect([...server.objects.keys()]).toEqual(["/bucket/a folder/m.gguf"]);
    const late = await requant("run", plan, "--part", "1/2");
    expect(late.out).toContain("finished already");
    expect((await requant("finish", plan)).out).toContain("finished already");
  });

  it("take a plan from the bucket, and `finish --abort` removes what the parts have made", async () => {
    const plan = join(folder, "aborted.json");
    const args = ["convert", hf, "s3://bucket/dir", "--to", "safetensors:f16", "--plan-out", plan, "--quiet"];
    expect(await requant(...args)).toMatchObject({ status: 0 });
    server.objects.set("/bucket/plans/p.json", readFileSync(plan));
    expect(await requant("run", "s3://bucket/plans/p.json", "--part", "1/2")).toMatchObject({
      status: 0,
      err: "",
    });
    expect(server.uploads.size).toBeGreaterThan(1);
    expect(await requant("finish", plan, "--abort")).toMatchObject({
      status: 0,
      err: "requant: What the parts have made is removed.\n",
    });
    expect(await requant("finish", plan, "--abort")).toMatchObject({
      status: 0,
      err: "requant: There is nothing to remove: no part has made anything.\n",
    });
    expect(server.uploads.size).toBe(0);
    expect([...server.objects.keys()]).toEqual(["/bucket/plans/p.json"]);
    const { status, err } = await requant("run", plan, "--part", "1/2");
    expect(status).toBe(4);
    expect(err).toContain("dropped the upload");
  });

  it("do not replace a plan whose uploads are open", async () => {
    const plan = join(folder, "open.json");
    const args = ["convert", hf, "s3://bucket/dir", "--to", "safetensors:f16", "--plan-out", plan, "--quiet"];
    expect(await requant(...args)).toMatchObject({ status: 0 });
    const [before, text] = [[...server.uploads.keys()], readFileSync(plan, "utf8")];
    const refused = await requant(...args, "--overwrite");
    expect(refused.status).toBe(2);
    expect(refused.err).toContain(`requant finish ${plan} --abort`);
    expect([...server.uploads.keys()]).toEqual(before);
    expect(readFileSync(plan, "utf8")).toBe(text);
    expect(await requant("finish", plan, "--abort")).toMatchObject({ status: 0 });
    expect(await requant(...args, "--overwrite")).toMatchObject({ status: 0, err: expect.anything() });
  });

  it("refuse a plan without keys before anything is asked of the server", async () => {
    const plan = join(folder, "keys.json");
    const args = [
      "convert",
      hf,
      "s3://bucket/keys/m.gguf",
      "--to",
      "gguf:q4_0",
      "--plan-out",
      plan,
      "--quiet",
    ];
    expect(await requant(...args)).toMatchObject({ status: 0 });
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    server.asked.length = 0;
    for (const command of [
      ["run", plan, "--part", "1/1"],
      ["finish", plan],
      [...args, "--overwrite"],
    ]) {
      const { status, err } = await requant(...command);
      expect(status).toBe(2);
      expect(err).toContain("AWS_SECRET_ACCESS_KEY is not set");
    }
    expect(server.asked).toEqual([]);
  });
});
