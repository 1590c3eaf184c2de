/**
 * Scales per input channel in a calibrated conversion. The oracle is the output of the layer on the inputs themselves, norm and
 * weight multiplied out in this test.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { directoryStore } from "@requant/core/node";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ConversionReport,
  type Model,
  openStatisticsFile,
  type Plan,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
  type ScaledModelOptions,
  scaledModel,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import {
  type InputsByName,
  layerInputs,
  relativeOutputError,
  statisticsStore,
} from "../calibration-inputs.ts";
import { modelOpener, temporaryFolder } from "../opened.ts";

const hf = resolve(import.meta.dirname, "../../../../fixtures/kjv/hf");
const FILE = "stats.safetensors";
const TARGET = "awq:gemm-128g";
const x = layerInputs(300, 256, 11);
const inputs: InputsByName = new Map([
  ["blk.0.attn_q.weight", x],
  ["blk.1.attn_output.weight", layerInputs(300, 256, 12)],
]);
const shared = { "blk.0.attn_k.weight": "blk.0.attn_q.weight", "blk.0.attn_v.weight": "blk.0.attn_q.weight" };

const folder = temporaryFolder("requant-scaled-");
beforeAll(async () => {
  await writeFile(join(folder, FILE), (await statisticsStore(inputs, shared)).files.get(FILE) ?? "");
});
const openModel = modelOpener();

const statistics = (): ScaledModelOptions["statistics"] => ({ store: directoryStore(folder), file: FILE });
const kept = (name: string): NonNullable<ScaledModelOptions["keep"]> => ({
  store: directoryStore(folder, { overwrite: true }),
  file: `${name}.scales.safetensors`,
});

async function planned(model: Model, target = TARGET): Promise<Plan> {
  const index = await openStatisticsFile(statistics());
  await index.close();
  return planConversion(model, parseTarget(target), { statistics: index });
}

interface Scaled {
  readonly source: Model;
  readonly model: Model;
  readonly plan: Plan;
}

async function scaled(options: Omit<ScaledModelOptions, "statistics"> = {}): Promise<Scaled> {
  const source = await openModel({ store: directoryStore(hf) });
  const model = await scaledModel(source, await planned(source), { statistics: statistics(), ...options });
  return { source, model, plan: await planned(model) };
}

async function run(
  { plan, model }: Scaled,
  name: string,
  options: RunOptions = {},
): Promise<ConversionReport & { readonly bytes: Uint8Array }> {
  const out = join(folder, name);
  const report = await runPlan(plan, model, directoryStore(out), { statistics: statistics(), ...options });
  return { ...report, bytes: await readFile(join(out, "model.safetensors")) };
}

async function valuesOf(model: Model, name: string): Promise<Float32Array> {
  const { shape } = model.tensor(name);
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await model.weight(name).readRows(0, out.length / (shape.at(-1) ?? 1), out);
  return out;
}

/** Each column of the weight times the factor that its input has. */
function withInputs(weights: Float32Array, factors: Float32Array): Float32Array {
  return weights.map((weight, i) => weight * factors[i % factors.length]!);
}

const layer = (index: number, name: string): string => `model.layers.${index}.${name}.weight`;

describe("scales per input channel", () => {
  it("the written norm and weights make the outputs of the source, and the report has their error", async () => {
    const made = await scaled();
    const report = await run(made, "norm");
    const output = await openModel({ store: directoryStore(join(folder, "norm")) });
    const norm = layer(0, "input_layernorm");
    const [before, after] = [await valuesOf(made.source, norm), await valuesOf(output, norm)];
    const divided = after.map((value, i) => value / before[i]!);
    expect(new Set(divided).size).toBeGreaterThan(20);
    for (const part of ["q", "k", "v"]) {
      const name = layer(0, `self_attn.${part}_proj`);
      const weights = await valuesOf(made.source, name);
      const written = await valuesOf(output, name);
      const error = relativeOutputError(x, weights, withInputs(written, divided));
      expect(error, name).toBeLessThan(0.12);
      expect(relativeOutputError(x, weights, written), name).toBeGreaterThan(0.2);
      const told = report.tensors.find((tensor) => tensor.name === name);
      expect(told?.outputError, name).toBeCloseTo(error, 3);
      expect(told?.from).toBe("BF16");
    }
    expect(report.tensors.find(({ name }) => name === norm)).toMatchObject({ fidelity: "exact", to: "BF16" });
  }, 60_000);

  it("are divided out of the rows of the value heads that a column reads", async () => {
    const made = await scaled();
    const [up, out] = [layer(1, "self_attn.v_proj"), layer(1, "self_attn.o_proj")];
    const [values, changedValues] = [await valuesOf(made.source, up), await valuesOf(made.model, up)];
    const [weights, changed] = [await valuesOf(made.source, out), await valuesOf(made.model, out)];
    const { hf: facts } = made.source;
    const [heads, groups] = ["num_attention_heads", "num_key_value_heads"].map((key) =>
      Number(facts?.config?.[key]),
    );
    const length = 256 / heads!;
    let moved = 0;
    for (let column = 0; column < 256; column++) {
      const head = Math.floor(column / length / (heads! / groups!));
      const row = head * length + (column % length);
      for (const other of [0, 100]) {
        const product = values[row * 256 + other]! * weights[other * 256 + column]!;
        const now = changedValues[row * 256 + other]! * changed[other * 256 + column]!;
        expect(Math.abs(now - product)).toBeLessThanOrEqual(Math.abs(product) * 1e-6);
      }
      if (changed[column] !== weights[column]) moved++;
    }
    expect(moved).toBeGreaterThan(100);
  });

  it("plan and report say what was scaled", async () => {
    const source = await openModel({ store: directoryStore(hf) });
    const plain = await planned(source);
    expect(plain.findings).toContainEqual(expect.objectContaining({ code: "unscaled", severity: "note" }));
    const { plan } = await scaled();
    const codes = plan.findings.map(({ code }) => code);
    expect(codes).toContain("folded-scales");
    expect(codes).not.toContain("unscaled");
    // statistics of two places: a norm, and the value heads
    expect(plan.findings.find(({ code }) => code === "folded-scales")?.message).toBe(
      "Codes are chosen by error feedback; 4 weights have scales per input channel, which are folded into 1 norms and the rows of 1 weights before them.",
    );
  });

  it.each(["gptq:4bit-128g-sym", "gguf:q4_0"])("%s has none: the model stays as it is", async (target) => {
    const source = await openModel({ store: directoryStore(hf) });
    const plan = await planned(source, target);
    expect(await scaledModel(source, plan, { statistics: statistics() })).toBe(source);
    expect(plan.findings.map(({ code }) => code)).not.toContain("unscaled");
  });

  it("workers, and this thread alone, write the same bytes and figures", async () => {
    const one = await run(await scaled(), "one");
    const workers = nodeWorkers({ jobs: 2, weightsPerWorker: 1000 });
    const several = await run(await scaled({ keep: kept("several") }), "several", { workers });
    expect(several.bytes).toEqual(one.bytes);
    const figures = ({ tensors }: ConversionReport) => tensors.map(({ outputError }) => outputError);
    expect(figures(several)).toEqual(figures(one));
    // no worker can read scales that are in memory
    const here = await run(await scaled(), "here", {
      workers: {
        ...workers,
        start() {
          throw new Error("A worker was started.");
        },
      },
    });
    expect(here.bytes).toEqual(one.bytes);
  }, 60_000);

  it("a resumed conversion takes the same scales, and refuses others", async () => {
    const keep = kept("resumed");
    const steps: number[] = [];
    const onProgress = ({ done }: { readonly done: number }): void => void steps.push(done);
    const first = await scaled({ keep, onProgress });
    expect(steps.length).toBeGreaterThan(0);
    const abort = new AbortController();
    const stopped = run(first, "resumed", {
      signal: abort.signal,
      onProgress: ({ tensor }) => {
        if (tensor === layer(1, "self_attn.q_proj")) abort.abort();
      },
    });
    await expect(stopped).rejects.toThrow();
    const unscaled = { source: first.source, model: first.source, plan: await planned(first.source) };
    await expect(run(unscaled, "resumed", { resume: true })).rejects.toThrow("was another one");
    steps.length = 0;
    const second = await scaled({ keep, onProgress, resume: true });
    expect(steps).toEqual([]);
    const resumed = await run(second, "resumed", { resume: true });
    expect(resumed.bytes).toEqual((await run(await scaled(), "once")).bytes);
    // a broken file is searched again
    await writeFile(join(folder, keep.file), "broken");
    await scaled({ keep, onProgress, resume: true });
    expect(steps.length).toBeGreaterThan(0);
  }, 60_000);
});
