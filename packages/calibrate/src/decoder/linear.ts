import { elementCount, rowCount } from "@requant/core";
import type { Compute } from "../compute/compute.ts";
import type { LinearPlan, NormPlan } from "./layer-plan.ts";
import type { NormValues } from "./norm.ts";
import type { DecoderSource } from "./source.ts";

/** A linear layer in memory: y = x · weightᵀ + bias. */
export interface Linear {
  readonly plan: LinearPlan;
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

/** Numbers `start` to `end` of a tensor of one dimension. */
async function readBias(
  source: DecoderSource,
  name: string | undefined,
  start: number,
  end: number,
): Promise<Float32Array | undefined> {
  if (name === undefined) return undefined;
  return (await readWhole(source, name)).subarray(start, end);
}

/** All numbers of a small tensor. */
export async function readWhole(source: DecoderSource, name: string): Promise<Float32Array> {
  const shape = source.shapes.get(name) ?? [];
  const values = new Float32Array(elementCount(shape));
  await source.readRows(name, 0, rowCount(shape), values);
  return values;
}

/** @param matrix the number of the matrix, of a stack of experts */
export async function loadLinear(source: DecoderSource, plan: LinearPlan, matrix = 0): Promise<Linear> {
  const weight = new Float32Array(plan.rows * plan.columns);
  const start = plan.start + matrix * plan.rows;
  await source.readRows(plan.name, start, start + plan.rows, weight);
  return { plan, weight, bias: await readBias(source, plan.bias, plan.start, plan.start + plan.rows) };
}

/** out[tokens, rows] = x[tokens, columns] · weightᵀ + bias */
export async function applyLinear(
  compute: Compute,
  { plan, weight, bias }: Linear,
  x: Float32Array,
  tokens: number,
  out: Float32Array,
): Promise<void> {
  await compute.product(x, weight, tokens, plan.rows, plan.columns, out);
  if (bias === undefined) return;
  for (let at = 0; at < out.length; at += plan.rows) {
    for (let i = 0; i < plan.rows; i++) out[at + i]! += bias[i]!;
  }
}

export async function loadNorm(source: DecoderSource, plan: NormPlan): Promise<NormValues> {
  const weight = await readWhole(source, plan.weight);
  return { weight, bias: await readBias(source, plan.bias, 0, plan.length), run: plan.run };
}
