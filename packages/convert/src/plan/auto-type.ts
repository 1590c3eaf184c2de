/** `gguf:auto`: for each weight the smallest GGUF type that holds its values exactly. */
import type { MetadataValue } from "@requant/core";
import { fileTypes, type GgufViewType, viewTypes } from "@requant/gguf";
import {
  isRowSelection,
  plannedSources,
  type TensorRole,
  tensorRole,
  type WeightPlan,
} from "@requant/models";
import { isFloatEncoding, isQuantizedEncoding } from "./fidelity.ts";
import type { PlanSourceTensor } from "./plan.ts";
import { UNSCALED_TYPE, unscaledFit } from "./tensor-scales.ts";
import type { TypedWeight } from "./typed-weight.ts";
import { viewFit } from "./view-fit.ts";

export interface AutoChoice {
  readonly type: string;
  /** Why no block type holds a packed weight. */
  readonly reason?: string | undefined;
}

/**
 * The type of one weight. `float` is what packed weights become that no block type holds: F32 keeps every value;
 * "F16" rounds each one once.
 */
export function autoType(
  weight: Pick<WeightPlan, "name" | "shape" | "inputs" | "forceF32">,
  sources: ReadonlyMap<string, PlanSourceTensor>,
  float: "exact" | "F16",
): AutoChoice {
  if (weight.forceF32 === true || weight.shape.length < 2) return { type: "F32" };
  const stored = plannedSources(weight).flatMap((name) => sources.get(name) ?? []);
  if (stored.length === 0 || !isRowSelection(weight)) return { type: "F32" };
  if (stored.some(({ linear }) => linear !== undefined)) return packedType(weight, stored, float);
  const encodings = [...new Set(stored.map(({ encoding }) => encoding))];
  const [own] = encodings;
  if (own === undefined || encodings.length > 1) return { type: "F32" };
  const onGrids = stored.flatMap(({ grid, view }) => (grid === undefined ? [] : (view ?? [])));
  if (onGrids.length === stored.length) {
    const exact = exactTypeOf(onGrids);
    if (exact !== undefined) return { type: exact.name };
  }
  if (isQuantizedEncoding(own) || own === "F16" || own === "BF16") return { type: own };
  return { type: isFloatEncoding(own) ? narrowestOf(stored) : "F32" };
}

function packedType(
  weight: Pick<WeightPlan, "name" | "shape" | "inputs">,
  stored: readonly PlanSourceTensor[],
  float: "exact" | "F16",
): AutoChoice {
  const facts = stored.flatMap(({ view }) => view ?? []);
  const fallback = float === "F16" ? "F16" : narrowestOf(stored);
  const isWhole = facts.length === stored.length;
  const exact = viewTypes.find(
    ({ name, requirement }) =>
      (isWhole && viewFit(facts, requirement).fidelity === "exact") ||
      unscaledFit(name, weight, stored)?.fidelity === "exact",
  );
  if (exact !== undefined) return { type: exact.name };
  const apart =
    unscaledFit(UNSCALED_TYPE, weight, stored)?.misfit ?? stored.find(({ noView }) => noView)?.noView;
  if (apart !== undefined) return { type: fallback, reason: apart.reason };
  if (!isWhole) return { type: fallback, reason: whyNoFacts(stored) };
  return { type: fallback, reason: whyNone(facts) };
}

function whyNoFacts(stored: readonly PlanSourceTensor[]): string {
  const noView = stored.find(({ view }) => view === undefined)?.noView;
  return noView?.reason ?? "packed and float weights are joined";
}

/** The smallest type that holds every view with these facts. */
function exactTypeOf(facts: Parameters<typeof viewFit>[0]): GgufViewType | undefined {
  return viewTypes.find(({ requirement }) => viewFit(facts, requirement).fidelity === "exact");
}

/** What stands in the way of the type that would hold the most. */
function whyNone(facts: Parameters<typeof viewFit>[0]): string {
  const widest: GgufViewType | undefined = viewTypes.find(({ name }) => name === "Q8_0");
  const fit = widest === undefined ? undefined : viewFit(facts, widest.requirement);
  return fit !== undefined && fit.fidelity !== "exact" ? fit.misfit.reason : "no block type holds it";
}

/** The float type that holds all values, as they were looked at; F32 where they were not, or where they differ. */
function narrowestOf(stored: readonly PlanSourceTensor[]): string {
  const [first, ...rest] = [...new Set(stored.map(({ narrowest = "F32" }) => narrowest))];
  return first !== undefined && rest.length === 0 ? first : "F32";
}

const MATRIX = /^(?:token_embd|output|blk\.\d+\.[a-z_]+)\.weight$/;
/** Matrices of a layer that llama.cpp expects in the type they have. */
const KEPT: ReadonlySet<TensorRole> = new Set(["norm", "router", "state", "conv"]);

/** Float matrices of a GGUF that llama.cpp reads in any type; everything else keeps the type it has. */
export function mayNarrow(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && MATRIX.test(name) && !(name.startsWith("blk.") && KEPT.has(tensorRole(name)));
}

/** `general.file_type` of a file of these weights: that of the type that holds most of the numbers in matrices. */
export function mainFileType(weights: readonly TypedWeight[]): MetadataValue {
  const counts = new Map<string, number>();
  for (const { shape, type } of weights) {
    if (shape.length < 2) continue;
    const size = shape.reduce((product, length) => product * length, 1);
    counts.set(type, (counts.get(type) ?? 0) + size);
  }
  const [main] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? ["F32"];
  const found =
    fileTypes.find(({ name }) => name === main) ?? fileTypes.find(({ baseType }) => baseType === main);
  return { type: "u32", value: found?.number ?? 0 };
}
