/**
 * Weights that are solved with calibration statistics. The oracle is the output of the layer on the inputs themselves, which the
 * code under test never sees; for the bundled model's real statistics, figures that a torch prototype reached.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import {
  type ConversionReport,
  type Model,
  openStatisticsFile,
  type Plan,
  type PlanOptions,
  parsePlan,
  parseTarget,
  planConversion,
  planFakeQuantize,
  type RunOptions,
  runPlan,
  type StatisticsIndex,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import {
  type InputsByName,
  layerInputs,
  relativeOutputError,
  statisticsStore,
} from "../calibration-inputs.ts";
import { modelOpener, temporaryFolder } from "../opened.ts";
import { ggufBytes, pseudoWeights, tinyTensors } from "../tiny-gguf.ts";

const hf = resolve(import.meta.dirname, "../../../../fixtures/kjv/hf");
const FILE = "stats.safetensors";

const folder = temporaryFolder("requant-calibrated-");
const openModel = modelOpener();

async function indexOf(store: MemoryStore): Promise<StatisticsIndex> {
  const file = await openStatisticsFile({ store, file: FILE });
  await file.close();
  return file;
}

async function valuesOf(model: Model, name: string): Promise<Float32Array> {
  const weight = model.weight(name);
  const { shape } = model.tensor(name);
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await weight.readRows(0, out.length / (shape.at(-1) ?? 1), out);
  return out;
}

async function tinyModel(): Promise<Model> {
  const store = memoryStore({ name: "models" });
  store.files.set("tiny.gguf", await ggufBytes());
  return openModel({ store, file: "tiny.gguf" });
}

interface Converted {
  readonly plan: Plan;
  readonly report: ConversionReport;
  readonly output: MemoryStore;
}

async function converted(
  model: Model,
  target: string,
  options: PlanOptions,
  run: RunOptions,
): Promise<Converted> {
  const isFile = target.startsWith("gguf");
  const made = await planConversion(model, parseTarget(target), {
    ...options,
    ...(isFile ? { outputName: "out.gguf" } : {}),
  });
  // a plan is plain JSON
  const plan = parsePlan(JSON.parse(JSON.stringify(made)));
  const output = memoryStore({ name: `output of ${model.name}` });
  return { plan, output, report: await runPlan(plan, model, output, run) };
}

describe("calibrated GGUF types", () => {
  const inputs: InputsByName = new Map([["blk.0.attn_q.weight", layerInputs(512, 64, 7)]]);
  const shared = { "blk.0.ffn_up.weight": "blk.0.attn_q.weight" };

  it.each(["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"])(
    "%s: outputs change less than by rounding",
    async (type) => {
      const model = await tinyModel();
      const store = await statisticsStore(inputs, shared);
      const pure = { pure: true };
      const plain = await converted(model, `gguf:${type}`, pure, {});
      const solved = await converted(
        model,
        `gguf:${type}`,
        { ...pure, statistics: await indexOf(store) },
        { statistics: { store, file: FILE } },
      );
      const [before, after] = await Promise.all(
        [plain, solved].map(({ output }) => openModel({ store: output, file: "out.gguf" })),
      );
      const x = layerInputs(512, 64, 7);
      for (const { name, values } of tinyTensors().filter(({ name }) => /attn_q|ffn_up/.test(name))) {
        if (before === undefined || after === undefined) throw new Error("no output");
        const rounding = relativeOutputError(x, values, await valuesOf(before, name));
        const error = relativeOutputError(x, values, await valuesOf(after, name));
        expect(error, name).toBeLessThan(0.8 * rounding);
        const told = solved.report.tensors.find((tensor) => tensor.name === name);
        // the source rounds the values to F16, and moments are F32
        expect(told?.outputError, name).toBeCloseTo(error, 3);
        expect(told?.roundingOutputError, name).toBeCloseTo(rounding, 3);
      }
      const embedding = solved.report.tensors.find(({ name }) => name.startsWith("token_embd"));
      expect(embedding?.outputError).toBeUndefined();
      expect(plain.report.tensors.every(({ outputError }) => outputError === undefined)).toBe(true);
    },
  );

  it("names the entries in the plan", async () => {
    const model = await tinyModel();
    const statistics = await indexOf(await statisticsStore(inputs, shared));
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), { statistics });
    const ways = new Map(plan.tensors.map(({ name, way }) => [name, way]));
    expect(ways.get("blk.0.attn_q.weight")).toMatchObject({ statistics: "blk.0.attn_q.weight" });
    expect(ways.get("blk.0.ffn_up.weight")).toMatchObject({ statistics: "blk.0.attn_q.weight" });
    expect(ways.get("token_embd.weight")).not.toHaveProperty("statistics");
    expect(ways.get("token_embd.weight")).toMatchObject({ searched: true });
  });

  it("searches the steps of embeddings without statistics: a smaller error of the weights than ggml's search", async () => {
    const model = await tinyModel();
    const store = await statisticsStore(inputs, shared);
    const plain = await converted(model, "gguf:q4_0", { pure: true }, {});
    const searched = await converted(
      model,
      "gguf:q4_0",
      { pure: true, statistics: await indexOf(store) },
      { statistics: { store, file: FILE } },
    );
    const [before, after] = [plain, searched].map(
      ({ report }) => report.tensors.find(({ name }) => name === "token_embd.weight")?.rmse,
    );
    expect(after).toBeLessThan(before ?? 0);
  });

  it("takes the importance of columns from the statistics where a type cannot be solved", async () => {
    // IQ3_S has a codebook, no grid; its blocks have 256 columns
    const name = "blk.0.attn_q.weight";
    const source = memoryStore({ name: "models" });
    const wide = { name, shape: [4, 256], values: pseudoWeights(1024, 3) };
    source.files.set("wide.gguf", await ggufBytes([wide]));
    const model = await openModel({ store: source, file: "wide.gguf" });
    const store = await statisticsStore(new Map([[name, layerInputs(64, 256, 7)]]));
    const { plan } = await converted(
      model,
      "gguf:iq3_s",
      { statistics: await indexOf(store), pure: true },
      { statistics: { store, file: FILE } },
    );
    const way = plan.tensors.find((tensor) => tensor.name === name)?.way;
    expect(way).toEqual({ kind: "floats", direct: true, importance: name });
  });

  it("an expert that no token reached is rounded, and told of", async () => {
    const experts = [layerInputs(256, 64, 3), layerInputs(0, 64, 4), layerInputs(256, 64, 5)];
    const name = "blk.0.ffn_up_exps.weight";
    const values = pseudoWeights(3 * 64 * 64, 9);
    const tensors = [...tinyTensors(), { name, shape: [3, 64, 64], values }];
    const source = memoryStore({ name: "models" });
    source.files.set("experts.gguf", await ggufBytes(tensors));
    const model = await openModel({ store: source, file: "experts.gguf" });
    const store = await statisticsStore(new Map([...inputs, [name, experts]]), shared);
    const run = { statistics: { store, file: FILE }, bandByteLength: 4096 };
    const options = { statistics: await indexOf(store), pure: true };
    const solved = await converted(model, "gguf:q4_0", options, run);
    const plain = await converted(model, "gguf:q4_0", { pure: true }, {});
    const [before, after] = await Promise.all(
      [plain, solved].map(async ({ output }) =>
        valuesOf(await openModel({ store: output, file: "out.gguf" }), name),
      ),
    );
    const matrix = (all: Float32Array | undefined, index: number): Float32Array =>
      all?.subarray(index * 4096, (index + 1) * 4096) ?? new Float32Array(0);
    expect(matrix(after, 1)).toEqual(matrix(before, 1));
    for (const index of [0, 2]) {
      const x = experts[index] ?? layerInputs(0, 64, 0);
      const error = relativeOutputError(x, matrix(values, index), matrix(after, index));
      const rounding = relativeOutputError(x, matrix(values, index), matrix(before, index));
      expect(error).toBeLessThan(0.8 * rounding);
    }
    expect(solved.plan.findings).toContainEqual(
      expect.objectContaining({ code: "not-calibrated", tensor: name, hint: "Calibrate with more text." }),
    );
  });
});

describe("calibrated packed weights", () => {
  const inputs: InputsByName = new Map([["blk.0.attn_q.weight", layerInputs(600, 256, 11)]]);
  const shared = { "blk.0.attn_k.weight": "blk.0.attn_q.weight" };
  const solvedNames = ["q", "k"].map((name) => `model.layers.0.self_attn.${name}_proj.weight`);

  async function solvedDirectory(target: string, run: RunOptions = {}): Promise<Converted> {
    const model = await openModel({ store: directoryStore(hf) });
    const store = await statisticsStore(inputs, shared);
    const options = { statistics: await indexOf(store) };
    return converted(model, target, options, { statistics: { store, file: FILE }, ...run });
  }

  it.each(["gptq:4bit-64g-sym", "gptq:3bit-128g-asym", "awq:gemm-64g", "compressed-tensors:4bit-128g-sym"])(
    "%s: outputs change less than by rounding",
    async (target) => {
      const { plan, report, output } = await solvedDirectory(target);
      const source = await openModel({ store: directoryStore(hf) });
      const made = await openModel({ store: output });
      const rounded = memoryStore({ name: "rounded" });
      await runPlan(await planConversion(source, parseTarget(target)), source, rounded);
      const plain = await openModel({ store: rounded });
      const x = layerInputs(600, 256, 11);
      for (const name of solvedNames) {
        const values = await valuesOf(source, name);
        const error = relativeOutputError(x, values, await valuesOf(made, name));
        const rounding = relativeOutputError(x, values, await valuesOf(plain, name));
        expect(error, name).toBeLessThan(0.8 * rounding);
        const told = report.tensors.find((tensor) => tensor.name === name);
        expect(told?.outputError, name).toBeCloseTo(error, 3);
        expect(told?.roundingOutputError, name).toBeCloseTo(rounding, 3);
      }
      // others are as without statistics
      const other = "model.layers.1.mlp.down_proj.weight";
      expect(await valuesOf(made, other)).toEqual(await valuesOf(plain, other));
      expect(plan.findings).toContainEqual(
        expect.objectContaining({ code: "not-calibrated", message: expect.stringContaining("19 weights") }),
      );
    },
    60_000,
  );

  it("4-bit symmetric groups of 32 become Q4_0 with the same values", async () => {
    const { output } = await solvedDirectory("gptq:4bit-32g-sym");
    const model = await openModel({ store: output });
    const options = { exact: true, outputTensorType: "BF16", tokenEmbeddingType: "BF16" };
    const crossed = await converted(model, "gguf:q4_0", options, {});
    const gguf = await openModel({ store: crossed.output, file: "out.gguf" });
    // rows of q and k have another order in a GGUF; those of v do not
    const name = "model.layers.0.self_attn.v_proj.weight";
    expect(await valuesOf(gguf, "blk.0.attn_v.weight")).toEqual(await valuesOf(model, name));
    expect(crossed.report.fidelity.requantized).toBe(0);
    expect(gguf.tensor("blk.0.attn_q.weight").encoding).toBe("Q4_0");
  });

  it("bands and workers change no byte", async () => {
    await writeFile(join(folder, FILE), (await statisticsStore(inputs, shared)).files.get(FILE) ?? "");
    const statistics = { store: directoryStore(folder), file: FILE };
    const whole = await solvedDirectory("gptq:4bit-128g-sym");
    const bands = await solvedDirectory("gptq:4bit-128g-sym", { bandByteLength: 40_000 });
    const workers = nodeWorkers({ jobs: 2, weightsPerWorker: 1000 });
    const shared2 = await solvedDirectory("gptq:4bit-128g-sym", { statistics, workers });
    const bytes = whole.output.files.get("model.safetensors");
    expect(bytes?.byteLength).toBeGreaterThan(0);
    expect(bands.output.files.get("model.safetensors")).toEqual(bytes);
    expect(shared2.output.files.get("model.safetensors")).toEqual(bytes);
    const figures = (report: ConversionReport) =>
      report.tensors.flatMap(({ outputError }) => outputError ?? []);
    expect(figures(shared2.report)).toEqual(figures(whole.report));
  }, 60_000);

  it("goes on after an interruption with the same bytes and figures", async () => {
    const store = await statisticsStore(inputs, shared);
    const model = await openModel({ store: directoryStore(hf) });
    const options = { statistics: await indexOf(store), pure: true, outputName: "out.gguf" };
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), options);
    const run = { statistics: { store, file: FILE } };
    const out = join(folder, "resumed");
    const abort = new AbortController();
    const stopped = runPlan(plan, model, directoryStore(out), {
      ...run,
      signal: abort.signal,
      onProgress: ({ tensor }) => {
        if (tensor === "blk.0.attn_q.weight") abort.abort();
      },
    });
    await expect(stopped).rejects.toThrow();
    const resumed = await runPlan(plan, model, directoryStore(out), { ...run, resume: true });
    const once = await runPlan(plan, model, directoryStore(join(folder, "once")), run);
    expect(await readFile(join(out, "out.gguf"))).toEqual(await readFile(join(folder, "once/out.gguf")));
    const { seconds: _, ...report } = resumed;
    expect(report).toEqual(expect.objectContaining({ tensors: once.tensors }));
    const other = await statisticsStore(
      new Map([["blk.0.attn_q.weight", layerInputs(600, 256, 12)]]),
      shared,
    );
    await expect(
      runPlan(plan, model, directoryStore(out), {
        statistics: { store: other, file: FILE },
        resume: true,
      }),
    ).rejects.toThrow();
  }, 60_000);

  it("fake quantization has the values of the packed weights", async () => {
    const { output } = await solvedDirectory("gptq:4bit-128g-sym");
    const packed = await openModel({ store: output });
    const model = await openModel({ store: directoryStore(hf) });
    const store = await statisticsStore(inputs, shared);
    const plan = await planFakeQuantize(model, parseTarget("gptq:4bit-128g-sym"), {
      statistics: await indexOf(store),
    });
    const floats = memoryStore({ name: "floats" });
    await runPlan(plan, model, floats, { statistics: { store, file: FILE } });
    const seen = await openModel({ store: floats });
    for (const name of solvedNames) expect(await valuesOf(seen, name)).toEqual(await valuesOf(packed, name));
  }, 60_000);

  it("fake quantization tells of statistics and words that change nothing, as the conversion does", async () => {
    const model = await openModel({ store: directoryStore(hf) });
    const statistics = await indexOf(await statisticsStore(inputs, shared));
    const f16 = await planFakeQuantize(model, parseTarget("gguf:f16"), { statistics });
    expect(f16.findings).toContainEqual(
      expect.objectContaining({
        code: "not-used",
        message: "`statistics` changes nothing: no weight gets codes that it can guide.",
        hint: "Leave it out, or correct it.",
      }),
    );
    const act = parseTarget("gptq:4bit-128g-sym-act");
    const own = (await planConversion(model, act)).findings.filter(({ code }) => code === "not-used");
    expect(own).toHaveLength(1);
    expect((await planFakeQuantize(model, act)).findings).toEqual(expect.arrayContaining(own));
  });

  it("a run without the statistics of its plan is refused", async () => {
    const model = await openModel({ store: directoryStore(hf) });
    const statistics = await indexOf(await statisticsStore(inputs, shared));
    const plan = await planConversion(model, parseTarget("gptq:4bit-128g-sym"), { statistics });
    await expect(runPlan(plan, model, memoryStore({ name: "out" }))).rejects.toThrow(
      "The plan solves weights with calibration statistics that the run was not given.",
    );
  });
});

const golden = process.env["REQUANT_GOLDEN"];
const kjv = join(golden ?? "", "kjv");
describe.skipIf(golden === undefined || !existsSync(kjv))(
  "real inputs of a layer (skipped: REQUANT_GOLDEN is not set)",
  () => {
    it("GPTQModel's own calibration inputs: the error is below that of rounding", async () => {
      const activations = await openModel({
        store: directoryStore(join(kjv, "calibration")),
        file: "activations.safetensors",
      });
      const tensor = activations.tensors.find(({ shape }) => shape.length === 2 && shape[1] === 256);
      if (tensor === undefined) throw new Error("no inputs of 256 columns");
      const x = { columns: 256, values: await valuesOf(activations, tensor.name) };
      const store = await statisticsStore(new Map([["blk.1.attn_q.weight", x]]), {
        "blk.1.attn_k.weight": "blk.1.attn_q.weight",
        "blk.1.attn_v.weight": "blk.1.attn_q.weight",
      });
      const model = await openModel({ store: directoryStore(hf) });
      const { report, output } = await converted(
        model,
        "gptq:4bit-128g-sym",
        { statistics: await indexOf(store) },
        { statistics: { store, file: FILE } },
      );
      const made = await openModel({ store: output });
      const name = "model.layers.1.self_attn.q_proj.weight";
      const error = relativeOutputError(x, await valuesOf(model, name), await valuesOf(made, name));
      const told = report.tensors.find((one) => one.name === name);
      expect(told?.outputError).toBeCloseTo(error, 4);
      expect(error).toBeLessThan(0.6 * (told?.roundingOutputError ?? 0));
    }, 60_000);
  },
);
