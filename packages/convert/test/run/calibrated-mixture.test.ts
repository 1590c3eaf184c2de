/**
 * A mixture of 128 experts and a llama model, solved with the statistics of a text. Oracles: the outputs of each expert on the inputs
 * that the text gives it, rounded and solved; llama.cpp, which loads and runs the files.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { openStatistics, wasmCompute } from "@requant/calibrate";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadLlama, perplexity, withModel } from "../../../../fixtures/llama-client.ts";
import { mixtureSizes, smallMixture, unreachable } from "../../../../fixtures/small-mixture.ts";
import {
  collectStatistics,
  evaluateModels,
  type Model,
  openModel,
  openStatisticsFile,
  type Plan,
  parseTarget,
  planConversion,
  runPlan,
} from "../../src/index.ts";
import { temporaryFolder } from "../opened.ts";

const kjv = resolve(import.meta.dirname, "../../../../fixtures/kjv");
const heldout = readFileSync(join(kjv, "heldout.txt"), "utf8");
const folder = temporaryFolder("requant-mixture-");
const store = directoryStore(folder);
const compute = wasmCompute();
afterAll(() => compute.close());

const sources: Readonly<Record<string, () => Promise<Model>>> = {
  mixture: async () => openModel({ store: await smallMixture() }),
  llama: () => openModel({ store: directoryStore(join(kjv, "hf")) }),
};

const plans = new Map<string, Promise<Plan>>();

/** The model in `to`, a GGUF or a folder beside the others; made at the first call. */
async function converted(
  name: string,
  target: string,
  to: string,
  calibrated: boolean,
): Promise<{ plan: Plan; model: Model }> {
  const isFile = to.endsWith(".gguf");
  const output = isFile ? store : directoryStore(join(folder, to));
  const made = plans.get(to) ?? convert(name, target, isFile ? to : undefined, output, calibrated);
  plans.set(to, made);
  const plan = await made;
  return { plan, model: await openModel(isFile ? { store, file: to } : { store: output }) };
}

async function convert(
  name: string,
  target: string,
  outputName: string | undefined,
  output: typeof store,
  calibrated: boolean,
): Promise<Plan> {
  const model = await sources[name]?.();
  if (model === undefined) throw new Error(`no model ${name}`);
  const location = { store, file: `${name}.safetensors` };
  const statistics = calibrated ? await openStatisticsFile(location) : undefined;
  await statistics?.close();
  const plan = await planConversion(model, parseTarget(target), { statistics, outputName });
  await runPlan(plan, model, output, calibrated ? { statistics: location } : {});
  await model.close();
  return plan;
}

beforeAll(async () => {
  for (const [name, open] of Object.entries(sources)) {
    const model = await open();
    const file = `${name}.safetensors`;
    await collectStatistics({ model, text: heldout, window: 128, samples: 16, store, file, compute });
    await model.close();
  }
});

async function values(model: Model, name: string): Promise<Float32Array> {
  const { shape } = model.tensor(name);
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await model.weight(name).readRows(0, out.length / (shape.at(-1) ?? 1), out);
  return out;
}

/** Σ over rows of d · moments · dᵀ, d = before − after: the mean squared error of the outputs. */
function outputError(before: Float32Array, after: Float32Array, moments: Float32Array): number {
  const columns = Math.sqrt(moments.length);
  let sum = 0;
  for (let row = 0; row < before.length; row += columns) {
    for (let i = 0; i < columns; i++) {
      const di = (before[row + i] ?? 0) - (after[row + i] ?? 0);
      let product = 0;
      for (let j = 0; j < columns; j++) {
        product += (moments[i * columns + j] ?? 0) * ((before[row + j] ?? 0) - (after[row + j] ?? 0));
      }
      sum += di * product;
    }
  }
  return sum;
}

const PARTS = ["gate", "up", "down"] as const;

/** Compares all experts of the layer. @param valuesOf of one expert, in a conversion or the source */
async function expectSolved(
  valuesOf: (which: "source" | "rounded" | "solved", part: string, expert: number) => Promise<Float32Array>,
): Promise<void> {
  const statistics = await openStatistics(store, { file: "mixture.safetensors" });
  let compared = 0;
  for (const part of PARTS) {
    const entry = statistics.entryOf(`blk.0.ffn_${part}_exps.weight`);
    if (entry === undefined) throw new Error(`no statistics of ${part}`);
    expect(entry.tokens.length).toBe(mixtureSizes.experts);
    for (const [expert, tokens] of entry.tokens.entries()) {
      const rounded = await valuesOf("rounded", part, expert);
      const solved = await valuesOf("solved", part, expert);
      if (tokens === 0) expect(solved).toEqual(rounded);
      else {
        const before = await valuesOf("source", part, expert);
        const { moments } = await entry.read(expert);
        const error = outputError(before, solved, moments);
        expect(error, `${part} ${expert}`).toBeLessThan(outputError(before, rounded, moments));
        compared++;
      }
    }
    for (const expert of unreachable) expect(entry.tokens[expert]).toBe(0);
  }
  await statistics.close();
  expect(compared).toBeGreaterThan(0.9 * PARTS.length * mixtureSizes.experts);
}

describe("a mixture of 128 experts", () => {
  const nameOf = (part: string, expert: number): string =>
    `model.layers.0.mlp.experts.${expert}.${part}_proj.weight`;

  it("gptq: each expert's outputs change less than by rounding; the others are rounded, and named", async () => {
    const target = "gptq:4bit-32g-sym";
    const source = await sources["mixture"]?.();
    const rounded = (await converted("mixture", target, "gptq-rounded", false)).model;
    const { model: solved, plan } = await converted("mixture", target, "gptq-solved", true);
    const models = { source, rounded, solved };
    await expectSolved(async (which, part, expert) => {
      const model = models[which];
      return model === undefined ? new Float32Array(0) : values(model, nameOf(part, expert));
    });
    const told = plan.findings.filter(({ code }) => code === "not-calibrated").map(({ message }) => message);
    expect(told.join(" ")).toContain("mlp.experts.5.");
    for (const model of Object.values(models)) await model?.close();
  }, 300_000);

  it("q4_k_m: each expert's outputs change less than by rounding; the others are rounded, and named", async () => {
    const source = await sources["mixture"]?.();
    const rounded = (await converted("mixture", "gguf:q4_k_m", "rounded.gguf", false)).model;
    const { model: solved, plan } = await converted("mixture", "gguf:q4_k_m", "mixture-run.gguf", true);
    const { hidden, width } = mixtureSizes;
    const stacks = new Map<string, Float32Array>();
    await expectSolved(async (which, part, expert) => {
      if (which === "source") {
        return source === undefined ? new Float32Array(0) : values(source, nameOf(part, expert));
      }
      const key = `${which} ${part}`;
      const stack =
        stacks.get(key) ??
        (await values(which === "solved" ? solved : rounded, `blk.0.ffn_${part}_exps.weight`));
      stacks.set(key, stack);
      return stack.subarray(expert * hidden * width, (expert + 1) * hidden * width);
    });
    const told = plan.findings.filter(({ code }) => code === "not-calibrated").map(({ message }) => message);
    expect(told.join(" ")).toMatch(/_exps\.weight \(5\D.*77.* of it\): they are rounded/);
    for (const model of [source, rounded, solved]) await model?.close();
  }, 300_000);
});

const client = await loadLlama();

describe.skipIf("reason" in client)(
  `llama.cpp${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(["llama", "mixture"])(
      "runs a calibrated q4_k_m of the %s as evaluate does",
      async (name) => {
        const file = `${name}-run.gguf`;
        const { model } = await converted(name, "gguf:q4_k_m", file, true);
        const own = await evaluateModels({ model, text: heldout, window: 256, chunks: 4, compute });
        await model.close();
        const theirs = await withModel(llama, join(folder, file), (loaded) => perplexity(loaded, heldout, 4));
        // llama.cpp rounds what enters a Q4_K weight to 8 bits
        expect(Math.abs(Math.log(own.perplexity / theirs))).toBeLessThan(0.02);
      },
      300_000,
    );
  },
);
