/** Test support: models in which some weights are NaN, infinite or very large, and what a conversion says about them. */
import { type BlockCodec, F32, type MemoryStore, memoryStore } from "@requant/core";
import { expect } from "vitest";
import {
  type ConversionReport,
  type Model,
  openModel,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
  tensorStatistics,
} from "../../src/index.ts";
import { pseudoWeights, tinyStore } from "../tiny-gguf.ts";

export const UP = "blk.0.ffn_up.weight";
const SHAPE = [4, 512];
/** Row 1, column 7. */
export const INDEX = 519;

/** A GGUF with one matrix, in which some weights are replaced. */
export async function ggufWith(
  planted: Readonly<Record<number, number>>,
  codec: BlockCodec = F32,
  name = UP,
): Promise<Model> {
  const values = pseudoWeights(4 * 512, 7);
  for (const [index, value] of Object.entries(planted)) values[Number(index)] = value;
  const store = await tinyStore([{ name, shape: SHAPE, values }], { codec });
  return openModel({ store, file: "tiny.gguf" });
}

export async function converted(
  model: Model,
  target: string,
  options: PlanOptions = {},
  run: RunOptions = {},
  name = "out",
): Promise<{ report: ConversionReport; store: MemoryStore; plan: Plan }> {
  const store = memoryStore({ name });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", ...options });
  return { report: await runPlan(plan, model, store, run), store, plan };
}

/** Rejects as the conversion does. Nothing may be left of the output. */
export async function refused(...parameters: Parameters<typeof converted>): Promise<unknown> {
  const [model, target, options = {}, run = {}] = parameters;
  const store = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", ...options });
  const error: unknown = await runPlan(plan, model, store, run).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined) expect([...store.files.keys()]).toEqual([]);
  return error;
}

export async function nonFiniteCount(store: MemoryStore, tensor = UP): Promise<number> {
  const model = await openModel({ store, file: "o.gguf" });
  const { nans, infinities } = await tensorStatistics(model, tensor);
  return nans + infinities;
}
