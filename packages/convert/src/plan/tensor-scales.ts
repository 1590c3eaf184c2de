/**
 * Weights that are a view times one number (NVFP4), in GGUF: the blocks hold the view, and the number is a tensor of its own,
 * `<weight>.scale`, as llama.cpp's converter writes it (conversion/base.py, `_generate_nvfp4_tensors`).
 */
import type { TensorScale } from "@requant/core/format";
import type { Misfit } from "@requant/core/view";
import { viewTypes } from "@requant/gguf";
import {
  hasTensorScale,
  isRowSelection,
  type LeftOut,
  plannedSources,
  readsTensorScales,
  type WeightPlan,
} from "@requant/models";
import type { PlanSourceTensor } from "./plan.ts";
import type { SourceTensors, TypedWeight } from "./typed-weight.ts";
import { viewFit } from "./view-fit.ts";

/** The only block type beside which llama.cpp's converter writes such scales. */
export const UNSCALED_TYPE = "NVFP4";

/** How a weight is stored in two tensors. */
export interface UnscaledFit {
  readonly fidelity: "exact" | "rounded";
  readonly misfit?: Misfit | undefined;
  /** One number; of a stack of experts one for each. */
  readonly scales: readonly number[];
  readonly inputScales: readonly number[] | undefined;
}

/** The sources as a GGUF of this architecture can store them: without numbers that llama.cpp would not read. */
export function withReadScales(sources: SourceTensors, architecture: unknown): SourceTensors {
  if (typeof architecture === "string" && readsTensorScales(architecture)) return sources;
  return new Map(Array.from(sources, ([name, { tensorScale: _, ...tensor }]) => [name, tensor]));
}

/** How a weight becomes blocks of a type and numbers beside them; undefined where it does not, or needs no number. */
export function unscaledFit(
  type: string,
  { name, shape, inputs }: Pick<WeightPlan, "name" | "shape" | "inputs">,
  stored: readonly PlanSourceTensor[],
): UnscaledFit | undefined {
  if (type !== UNSCALED_TYPE || !hasTensorScale(name)) return undefined;
  // such a scale is a tensor of the source already; and a grid in floats is read with its scale multiplied in
  if (stored.some(({ scaledBy, grid }) => scaledBy !== undefined || grid !== undefined)) return undefined;
  const requirement = viewTypes.find((one) => one.name === UNSCALED_TYPE)?.requirement;
  const all = stored.flatMap(({ tensorScale }) => tensorScale ?? []);
  if (requirement === undefined || all.length === 0 || all.length < stored.length) return undefined;
  if (!isRowSelection({ inputs })) return undefined;
  const fit = viewFit(
    all.map(({ facts }) => facts),
    requirement,
  );
  if (fit.fidelity !== "exact") return undefined;
  const isStack = shape.length === 3 && inputs.length === shape[0] && stored.length === shape[0];
  const parts = isStack ? all : oneFor(all);
  if (parts === undefined) return undefined;
  const inputScales = parts.flatMap(({ inputScale }) => inputScale ?? []);
  const misfit = all.find((one) => one.misfit !== undefined)?.misfit;
  return {
    fidelity: misfit === undefined ? "exact" : "rounded",
    misfit,
    scales: parts.map(({ scale }) => scale),
    inputScales: inputScales.length === parts.length ? inputScales : undefined,
  };
}

/** The scale of all rows, where they share it. */
function oneFor(all: readonly TensorScale[]): readonly TensorScale[] | undefined {
  const [first] = all;
  return first !== undefined && all.every(({ scale }) => scale === first.scale) ? [first] : undefined;
}

/** The weights with the numbers that belong to them, each behind its weight. A number that is 1 is left out. */
export function withTensorScales(weights: readonly TypedWeight[], sources: SourceTensors): TypedWeight[] {
  return weights.flatMap((weight): TypedWeight[] => {
    const stored = plannedSources(weight).flatMap((source) => sources.get(source) ?? []);
    const fit = unscaledFit(weight.type, weight, stored);
    if (fit === undefined) return [weight];
    return [
      weight,
      ...numbers(weight.name, "scale", fit.scales),
      ...numbers(weight.name, "input_scale", fit.inputScales ?? []),
    ];
  });
}

/**
 * The weights of a GGUF without the scales of those that get another type: their values are read with the scale multiplied
 * in.
 */
export function withoutIdleScales(
  weights: readonly TypedWeight[],
  sources: SourceTensors,
): { readonly weights: readonly TypedWeight[]; readonly leftOut: readonly LeftOut[] } {
  const changed = new Set(
    weights.flatMap(({ name, type }) => (sources.get(name)?.encoding === type ? [] : [name])),
  );
  const isIdle = ({ name }: TypedWeight): boolean => changed.has(sources.get(name)?.partOf ?? "");
  return {
    weights: weights.filter((weight) => !isIdle(weight)),
    leftOut: weights.filter(isIdle).map(({ name }) => ({
      name,
      reason: "the values of its weight are stored with the scale multiplied in",
    })),
  };
}

/** llama.cpp's converter leaves out what changes nothing. */
const TRIVIAL = 1e-6;

function numbers(weight: string, suffix: string, values: readonly number[]): TypedWeight[] {
  if (values.every((value) => Math.abs(value - 1) < TRIVIAL)) return [];
  const name = weight.replace(/\.weight$/, `.${suffix}`);
  return [{ name, shape: [values.length], inputs: [{ values: [...values] }], type: "F32" }];
}
