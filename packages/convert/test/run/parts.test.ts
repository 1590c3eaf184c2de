/** A plan in parts, on a folder that several processes share. The oracle is the output of one uninterrupted run. */
import { rmSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCodecError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  existingVersions,
  type Model,
  openModel,
  openParts,
  type Plan,
  type PlanParts,
  parseSavedPlan,
  parseTarget,
  planConversion,
  runPlan,
  type SavedPlan,
  savedPlan,
  serializePlan,
  sourceVersions,
} from "../../src/index.ts";
import { layoutFile } from "../../src/plan/files/layout.ts";
import { PartWork } from "../../src/run/parts/part-work.ts";
import { cutIntoJobs, type Job } from "../../src/run/pieces.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

const BAND = 1024;

let folder = "";
let model: Model;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-parts-"));
  await writeFile(join(folder, "tiny.gguf"), await ggufBytes());
  model = await openTiny();
});
afterEach(async () => {
  await model.close();
  await rm(folder, { recursive: true, force: true });
});

function openTiny(file = "tiny.gguf"): Promise<Model> {
  return openModel({ store: directoryStore(folder), file });
}

const out = (): string => join(folder, "out");
const planned = (target = "gguf:q4_0"): Promise<Plan> =>
  planConversion(model, parseTarget(target), { outputName: "x" });

async function saved(target?: string, more: Partial<SavedPlan["options"]> = {}): Promise<SavedPlan> {
  return savedPlan({
    source: { address: join(folder, "tiny.gguf"), versions: await sourceVersions(model) },
    guides: {},
    output: out(),
    options: { bandByteLength: BAND, ...more },
    plan: await planned(target),
  });
}

async function opened(plan: SavedPlan, from: Model = model): Promise<PlanParts> {
  return openParts(plan, from, directoryStore(out(), { overwrite: plan.options.overwrite === true }));
}

/** The bytes of each file that one run without parts makes. */
async function expected(plan: Plan): Promise<Map<string, Buffer>> {
  const whole = join(folder, "whole");
  await runPlan(plan, model, directoryStore(whole), { bandByteLength: BAND });
  return filesIn(whole);
}

async function filesIn(path: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(path)).sort()) files.set(name, await readFile(join(path, name)));
  return files;
}

const workFolder = (plan: SavedPlan): string => join(out(), `.${plan.id.slice(0, 16)}.requant-parts`);

async function refusalOf(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; reason?: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isCodecError(error)) throw error instanceof Error ? error : new Error("nothing was refused");
  const { code, message, reason } = error;
  return { code, message, ...(reason === undefined ? {} : { reason }) };
}

describe("the jobs of a part", () => {
  const layouts = async (): Promise<{ jobs: readonly Job[]; parts: PartWork }> => {
    const plan = await planned();
    const files = plan.files.map((file) => layoutFile(plan, file));
    const work = cutIntoJobs(files, BAND);
    return { jobs: work.jobs, parts: new PartWork(work, plan.tensors, files.length) };
  };

  it("are each in exactly one part, in order, for any number of parts", async () => {
    const { jobs, parts } = await layouts();
    expect(jobs.length).toBeGreaterThan(50);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 * jobs.length }), (count) => {
        const all = Array.from(
          { length: count },
          (_, index) => parts.workOf({ part: index + 1, count }).jobs,
        );
        expect(all.flat()).toEqual(jobs);
        for (const [index, own] of all.entries()) {
          for (const job of own) expect(parts.partOf(jobs.indexOf(job), count)).toBe(index + 1);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("have about the same number of weights", async () => {
    const { parts } = await layouts();
    // 96 × 64 + 64 + 64 × 64 + 128 × 64 weights; a band of 1024 bytes has 256
    const share = 18_496 / 4;
    for (let part = 1; part <= 4; part++) {
      const { weightCount } = parts.workOf({ part, count: 4 });
      expect(Math.abs(weightCount - share)).toBeLessThanOrEqual(256);
    }
  });
});

describe("a saved plan", () => {
  it("is the same after it was written and read", async () => {
    const plan = await saved();
    expect(parseSavedPlan(serializePlan(plan), "plan.json")).toEqual(plan);
  });

  it("keeps its id when it is formatted anew", async () => {
    const plan = await saved();
    expect(parseSavedPlan(JSON.stringify(plan, undefined, 2), "plan.json").id).toBe(plan.id);
  });

  it.each([
    ["another output", (plan: SavedPlan) => ({ ...plan, output: "/elsewhere" })],
    ["another band length", (plan: SavedPlan) => ({ ...plan, options: { bandByteLength: 2048 } })],
    ["a key more", (plan: SavedPlan) => ({ ...plan, more: 1 })],
    ["another id", (plan: SavedPlan) => ({ ...plan, id: "0".repeat(64) })],
    ["another version", (plan: SavedPlan) => ({ ...plan, version: 2 })],
    ["no source", ({ source: _, ...plan }: SavedPlan) => plan],
    ["a list", () => []],
    ["nothing", () => null],
  ])("is refused with %s", async (_, edit) => {
    const text = JSON.stringify(edit(await saved()));
    expect(await refusalOf((async () => parseSavedPlan(text, "plan.json"))())).toMatchObject({
      code: "FORMAT",
    });
  });

  it("is refused where it is cut", async () => {
    const text = serializePlan(await saved());
    const cut = (async () => parseSavedPlan(text.slice(0, text.length / 2), "plan.json"))();
    expect(await refusalOf(cut)).toMatchObject({ code: "FORMAT" });
  });

  it.each([
    ["a file that leaves the output", { name: "../x.gguf" }, "FORMAT"],
    ["lengths that its shapes do not make", { byteLength: 2 ** 45 }, "USAGE"],
  ])("made by another program is refused with %s", async (_, change, code) => {
    const { kind: _kind, version: _version, id: _id, ...content } = await saved();
    const { plan } = content;
    const hostile = savedPlan({
      ...content,
      plan: { ...plan, files: plan.files.map((file) => ({ ...file, ...change })) },
    });
    const read = parseSavedPlan(serializePlan(hostile), "plan.json");
    const run = opened(read).then((parts) => parts.run({ part: 1, count: 1 }));
    expect(await refusalOf(run)).toMatchObject({ code });
    expect(await readdir(folder)).not.toContain("x.gguf");
  });
});

describe("parts", () => {
  it.each(["gguf:q4_0", "safetensors:f16"])(
    "make the bytes of one run, in any order and twice: %s",
    async (target) => {
      const plan = await saved(target);
      const parts = await opened(plan);
      for (const part of [3, 1, 4, 1, 2, 3]) await parts.run({ part, count: 4 });
      expect(await parts.run({ part: 2, count: 4 })).toMatchObject({ state: "whole", madeCount: 0 });
      const report = await parts.finish();
      expect(report.byteLength).toBe(plan.plan.byteLength);
      expect(await filesIn(out())).toEqual(await expected(plan.plan));
    },
  );

  it("report the errors that one run measures", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    for (let part = 1; part <= 3; part++) await parts.run({ part, count: 3 });
    const { seconds: _, ...report } = await parts.finish();
    const { seconds: __, ...whole } = await runPlan(plan.plan, model, directoryStore(join(folder, "w")), {
      bandByteLength: BAND,
    });
    expect(report).toEqual(whole);
  });

  it("may be of different counts: what is made twice is the same", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 2 });
    for (let part = 2; part <= 3; part++) await parts.run({ part, count: 3 });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("more than there are jobs: some are empty", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    const count = parts.jobCount * 2;
    for (let part = 1; part <= count; part++) await parts.run({ part, count });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("of two machines at the same time both end well", async () => {
    const plan = await saved();
    const second = await openTiny();
    const [one, other] = [await opened(plan), await opened(plan, second)];
    await Promise.all([
      one.run({ part: 1, count: 2 }),
      other.run({ part: 1, count: 2 }),
      one.run({ part: 2, count: 2 }),
      other.run({ part: 2, count: 2 }),
    ]);
    await other.finish();
    await second.close();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("that were stopped go on where they ended", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    const stop = new AbortController();
    const stopped = parts.run(
      { part: 1, count: 1 },
      {
        signal: stop.signal,
        onProgress: ({ done, total }) => {
          if (done > total / 2) stop.abort();
        },
      },
    );
    await expect(stopped).rejects.toThrow();
    const { pieceCount, madeCount, state } = await parts.run({ part: 1, count: 1 });
    expect(state).toBe("made");
    expect(madeCount).toBeLessThan(pieceCount);
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("make again what their ledger claims and the file has lost", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 2 });
    await parts.run({ part: 2, count: 2 });
    const [data = ""] = (await readdir(workFolder(plan))).filter((name) => name.endsWith(".part"));
    const path = join(workFolder(plan), data);
    const { byteLength } = await readFile(path);
    await truncate(path, byteLength - 3000);
    const damaged = await refusalOf((await opened(plan)).finish());
    expect(damaged).toMatchObject({ code: "IO", reason: "parts-damaged" });
    expect(damaged.message).toContain("part 2/2");
    expect(await readdir(out())).not.toContain("x.gguf");
    const again = await parts.run({ part: 2, count: 2 });
    expect(again.state).toBe("made");
    expect(again.madeCount).toBeLessThan(again.pieceCount);
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("with a torn line in a ledger make the pieces that it does not claim", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 1 });
    const ledgers = join(workFolder(plan), "logs", "1", "0");
    const [ledger = ""] = await readdir(ledgers);
    const { byteLength } = await readFile(join(ledgers, ledger));
    await truncate(join(ledgers, ledger), byteLength - 5);
    expect(await refusalOf(parts.finish())).toMatchObject({ code: "USAGE", reason: "parts-missing" });
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "made", madeCount: 1 });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("are named where they are missing", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    expect(await refusalOf(parts.finish())).toMatchObject({ code: "USAGE", reason: "parts-missing" });
    await parts.run({ part: 2, count: 3 });
    const { message, reason } = await refusalOf(parts.finish());
    expect(reason).toBe("parts-missing");
    expect(message).toContain("parts 1/3, 3/3");
  });

  it("that come late, and a second finish, change nothing", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 1 });
    await parts.finish();
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "published", madeCount: 0 });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("whose finish was interrupted between two files are finished by the next call", async () => {
    const plan = await saved("safetensors:f16");
    expect(plan.plan.files.length).toBeGreaterThan(1);
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 1 });
    // a finish that ends after its first file: one call of the same function, for this file alone
    const shared = await directoryStore(out()).share?.(plan.id.slice(0, 16));
    const [first] = plan.plan.files;
    const store = directoryStore(out());
    const interrupted = openParts(plan, model, {
      ...store,
      share: async (name, options) => {
        const own = await store.share?.(name, options);
        return (
          own && {
            ...own,
            publish: async (files) => {
              await own.publish(files.slice(0, 1));
              throw new Error("power failure");
            },
          }
        );
      },
    });
    await expect((await interrupted).finish()).rejects.toThrow("power failure");
    expect(await readdir(out())).toContain(first?.name);
    expect(await shared?.isPublishing()).toBe(true);
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "published" });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("whose folder is removed while they run end with a refusal, and make no new one", async () => {
    const plan = await saved();
    const parts = await opened(plan);
    const work = join(out(), `.${plan.id.slice(0, 16)}.requant-parts`);
    let steps = 0;
    const onProgress = (): void => {
      if (steps++ === 0) rmSync(work, { recursive: true });
    };
    const refusal = await refusalOf(parts.run({ part: 1, count: 1 }, { onProgress }));
    expect(refusal).toMatchObject({ code: "IO", reason: "plan-removed" });
    expect(await readdir(out())).toEqual([]);
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "made" });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it.each([0, 5, 1.5, Number.NaN])("have numbers from 1 on: %s of 4 is refused", async (part) => {
    const parts = await opened(await saved());
    expect(await refusalOf(parts.run({ part, count: 4 }))).toMatchObject({ code: "USAGE" });
  });
});

describe("the source", () => {
  it("that was changed is refused", async () => {
    const plan = await saved();
    await utimes(join(folder, "tiny.gguf"), 1, 1);
    const changed = await openTiny();
    const refusal = await refusalOf(opened(plan, changed));
    expect(refusal).toMatchObject({ code: "USAGE" });
    expect(refusal.message).toContain("changed");
    await changed.close();
  });

  it("that is another model is refused", async () => {
    const plan = await saved();
    await writeFile(
      join(folder, "other.gguf"),
      await ggufBytes([{ name: "token_embd.weight", shape: [8, 64], values: pseudoWeights(512) }]),
    );
    const other = await openTiny("other.gguf");
    expect(await refusalOf(opened(plan, other))).toMatchObject({ code: "USAGE" });
    await other.close();
  });

  it("cannot be the output", async () => {
    const plan = await saved();
    const parts = openParts(plan, model, directoryStore(join(folder, "tiny.gguf")));
    expect(await refusalOf(parts)).toMatchObject({ code: "USAGE" });
  });
});

describe("files that have the output's names", () => {
  it("are refused before a part is made", async () => {
    const plan = await saved();
    await directoryStore(out())
      .create("x.gguf")
      .then(async (sink) => {
        await sink.write(new Uint8Array(10));
        await sink.close();
      });
    const parts = await opened(plan);
    expect(await refusalOf(parts.run({ part: 1, count: 1 }))).toMatchObject({ code: "IO" });
  });

  it("are replaced where the plan says so", async () => {
    const plan = await saved("gguf:q4_0", { overwrite: true });
    await runPlan(await planned("gguf:q8_0"), model, directoryStore(out()), {});
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 1 });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
  });

  it("are known as finished afterwards, also where the plan replaced others", async () => {
    const plan = await saved("gguf:q4_0", { overwrite: true });
    await runPlan(await planned("gguf:q8_0"), model, directoryStore(out()), {});
    const parts = await opened(plan);
    await parts.run({ part: 1, count: 1 });
    await parts.finish();
    const late = await (await opened(plan)).run({ part: 2, count: 7 });
    expect(late).toMatchObject({ state: "published", madeCount: 0 });
    const again = await (await opened(plan)).finish();
    expect(again.finishedAlready).toBe(true);
    expect(again.tensors.every(({ rmse }) => rmse === undefined)).toBe(true);
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });

  it("and begin as the plan's, but were there before, are replaced", async () => {
    const own = await planned("gguf:q4_0");
    await runPlan(own, model, directoryStore(out()), {});
    const path = join(out(), "x.gguf");
    // the same header over other data
    const old = await readFile(path);
    old.fill(0, old.byteLength - 2000);
    await writeFile(path, old);
    const replaces = await existingVersions(directoryStore(out()), own);
    const plan = await saved("gguf:q4_0", { overwrite: true, replaces });
    const parts = await opened(plan);
    expect(await refusalOf(parts.finish())).toMatchObject({ reason: "parts-missing" });
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "made" });
    await parts.finish();
    expect(await filesIn(out())).toEqual(await expected(plan.plan));
    expect(await parts.run({ part: 1, count: 1 })).toMatchObject({ state: "published" });
  });
});
