/** Several targets in one run. The oracle is always the output of a run for each target alone. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { MemoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  type ModelLocation,
  openModel,
  type Plan,
  parseTargets,
  planConversion,
  planConversions,
  plansByTarget,
  type RunOptions,
  runPlan,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import { ggufBytes, pseudoWeights, type TinyTensor } from "../tiny-gguf.ts";
import { floatDirectory, packedDirectory } from "./packed-models.ts";

const BAND = 16 * 1024;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-several-"));
  await copyOf(await floatDirectory("BF16"), "floats");
  await copyOf(
    await packedDirectory("gptq", ["4bit", "32g", "sym"], { bits: 4, groupSize: 32, sym: true }),
    "packed",
  );
  await writeFile(join(folder, "model.gguf"), await ggufBytes(tensors));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Files that worker threads can open. */
async function copyOf({ files }: MemoryStore, name: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  for (const [file, bytes] of files) await writeFile(join(folder, name, file), bytes);
}

const tensors: readonly TinyTensor[] = [
  { name: "token_embd.weight", shape: [320, 256], values: pseudoWeights(320 * 256, 1) },
  { name: "blk.0.attn_norm.weight", shape: [256], values: pseudoWeights(256, 2) },
  { name: "blk.0.attn_q.weight", shape: [256, 256], values: pseudoWeights(256 * 256, 3) },
  { name: "blk.0.ffn_down.weight", shape: [256, 512], values: pseudoWeights(256 * 512, 4) },
];

const sources: Readonly<Record<string, () => ModelLocation>> = {
  floats: () => ({ store: directoryStore(join(folder, "floats")) }),
  packed: () => ({ store: directoryStore(join(folder, "packed")) }),
  gguf: () => ({ store: directoryStore(folder), file: "model.gguf" }),
};

async function withModel<T>(location: ModelLocation, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(location);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

const locationOf = (source: string): ModelLocation =>
  sources[source]?.() ?? { store: directoryStore(folder) };

/** A run for several targets into a new folder. */
async function together(
  source: string,
  targets: string,
  options: RunOptions = {},
  name = "together",
): Promise<{
  readonly path: string;
  readonly plan: Plan;
  readonly report: Awaited<ReturnType<typeof runPlan>>;
}> {
  const path = join(folder, name);
  if (options.resume !== true) await rm(path, { recursive: true, force: true });
  return withModel(locationOf(source), async (model) => {
    const plan = await planConversions(model, parseTargets(targets), { allowRequantize: true });
    const report = await runPlan(plan, model, directoryStore(path), { bandByteLength: BAND, ...options });
    return { path, plan, report };
  });
}

/** A run for each target, as people did before: a folder of files in a folder of its own. */
async function alone(source: string, targets: string): Promise<ReadonlyMap<string, string>> {
  const path = join(folder, "alone");
  await rm(path, { recursive: true, force: true });
  for (const target of parseTargets(targets)) {
    await withModel(locationOf(source), async (model) => {
      const plan = await planConversion(model, target, { allowRequantize: true });
      const own = target.format === "gguf" ? path : join(path, target.text.replace(":", "-"));
      await runPlan(plan, model, directoryStore(own), { bandByteLength: BAND });
    });
  }
  return sumsIn(path);
}

/** sha256 of all files below a folder. */
async function sumsIn(path: string): Promise<ReadonlyMap<string, string>> {
  const sums = new Map<string, string>();
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = join(entry.parentPath, entry.name);
    const name = relative(path, file).replaceAll("\\", "/");
    sums.set(
      name,
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
    );
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const conversions: readonly (readonly [source: string, targets: string, files: readonly string[]])[] = [
  ["floats", "gguf:f16,q8_0,q4_k_m", ["floats-F16.gguf", "floats-Q4_K_M.gguf", "floats-Q8_0.gguf"]],
  ["gguf", "gguf:q4_0,q5_k_m", ["model-Q4_0.gguf", "model-Q5_K_M.gguf"]],
  [
    "packed",
    "gguf:auto,safetensors:bf16,gguf:q4_k_m,q8_0",
    ["packed-AUTO.gguf", "packed-Q4_K_M.gguf", "packed-Q8_0.gguf", "safetensors-bf16/config.json"],
  ],
  ["floats", "gguf:bf16,q8_0,f32", ["floats-BF16.gguf", "floats-F32.gguf", "floats-Q8_0.gguf"]],
  ["gguf", "gguf:f16,q6_k,f32", ["model-F16.gguf", "model-F32.gguf", "model-Q6_K.gguf"]],
  [
    "floats",
    "gptq:4bit-32g-sym,gguf:q8_0,gptq:8bit-32g-sym",
    ["floats-Q8_0.gguf", "gptq-4bit-32g-sym/config.json", "gptq-8bit-32g-sym/config.json"],
  ],
];

describe("the bytes are those of a run for each target", () => {
  async function compare(source: string, targets: string, names: readonly string[], options: RunOptions) {
    const wanted = await alone(source, targets);
    const { path, report } = await together(source, targets, options);
    const found = await sumsIn(path);
    expect([...found.keys()]).toEqual(expect.arrayContaining([...names]));
    expect(found).toEqual(wanted);
    expect(report.target.files).toHaveLength(found.size);
  }

  it.each(conversions)("%s → %s", (source, targets, names) => compare(source, targets, names, {}));

  // each thread compiles the sources first
  it.each(conversions.slice(0, 3))("%s → %s with 3 workers", (source, targets, names) =>
    compare(source, targets, names, { workers: nodeWorkers({ jobs: 3, weightsPerWorker: 1 }) }),
  );
});

describe("an importance matrix", () => {
  it("guides each target that takes it, as in a run of its own", async () => {
    const columns = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => 1 + (i % 7));
    const weights = new Map([
      ["token_embd.weight", columns(256)],
      ["blk.0.attn_q.weight", columns(256)],
      ["blk.0.ffn_down.weight", columns(512)],
    ]);
    const targets = parseTargets("gguf:q4_0,q8_0,q4_k_m");
    const options = { imatrix: { weights } };
    const [one, all] = [join(folder, "guided"), join(folder, "guided-together")];
    await withModel(locationOf("gguf"), async (model) => {
      for (const target of targets) {
        const plan = await planConversion(model, target, options);
        await runPlan(plan, model, directoryStore(one), { bandByteLength: BAND, imatrix: weights });
      }
      const plan = await planConversions(model, targets, options);
      await runPlan(plan, model, directoryStore(all), { bandByteLength: BAND, imatrix: weights });
    });
    const unguided = await alone("gguf", "gguf:q4_0");
    const found = await sumsIn(all);
    expect(found).toEqual(await sumsIn(one));
    expect(found.get("model-Q4_0.gguf")).not.toBe(unguided.get("model-Q4_0.gguf"));
  });
});

describe("what is measured", () => {
  it("is the same for each target as in a run of its own", async () => {
    const targets = "gguf:q8_0,q4_k_m,safetensors:f16";
    const { plan, report } = await together("floats", targets);
    const found = plansByTarget({
      ...plan,
      tensors: plan.tensors.map((tensor, index) => ({ ...tensor, ...report.tensors[index] })),
    });
    expect(found.map(({ target }) => target.text)).toEqual(["gguf:q8_0", "gguf:q4_k_m", "safetensors:f16"]);
    for (const own of found) {
      await withModel(locationOf("floats"), async (model) => {
        const single = await planConversion(model, own.target, { allowRequantize: true });
        const path = join(folder, "measured");
        await rm(path, { recursive: true, force: true });
        const wanted = await runPlan(single, model, directoryStore(path), { bandByteLength: BAND });
        const errors = ({ name, rmse, maxAbsError }: (typeof wanted.tensors)[number]) => ({
          name,
          rmse,
          maxAbsError,
        });
        expect(own.tensors.map((tensor) => errors(tensor))).toEqual(wanted.tensors.map(errors));
      });
    }
  });
});

describe("an interrupted run for several targets", () => {
  it.each([0.1, 0.5, 0.95])("stopped at %d goes on to the same bytes", async (share) => {
    const targets = "gguf:bf16,q8_0,q4_k_m,safetensors:f16";
    const wanted = await alone("floats", targets);
    const controller = new AbortController();
    const stopping: RunOptions = {
      signal: controller.signal,
      onProgress({ phase, done, total }) {
        if (phase === "write" && done >= share * total) controller.abort();
      },
    };
    await expect(together("floats", targets, stopping, "resumed")).rejects.toMatchObject({
      name: "AbortError",
    });
    const left = await readdir(join(folder, "resumed"), { withFileTypes: true, recursive: true });
    expect(left.filter((entry) => entry.isFile() && !entry.name.startsWith("."))).toEqual([]);
    const { path } = await together("floats", targets, { resume: true }, "resumed");
    expect(await sumsIn(path)).toEqual(wanted);
  });

  it("refuses to go on with other targets", async () => {
    const controller = new AbortController();
    const options: RunOptions = { signal: controller.signal, onProgress: () => controller.abort() };
    await expect(together("floats", "gguf:q8_0,f16", options, "other")).rejects.toMatchObject({
      name: "AbortError",
    });
    await expect(together("floats", "gguf:q8_0,bf16", { resume: true }, "other")).rejects.toMatchObject({
      code: "USAGE",
    });
    await rm(join(folder, "other"), { recursive: true });
  });
});
