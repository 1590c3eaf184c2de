/** Which weights of a model a packed target packs, and what is known of each. */
import { rowCount, rowLength } from "@requant/core";
import type { WeightRequest, WeightTarget } from "@requant/core/format";
import { isRowSelection, type WeightPlan } from "@requant/models";
import { isIntegerEncoding, isQuantizedEncoding } from "./fidelity.ts";
import { isEmbeddingWeight, isHeadWeight, isLinearWeight, moduleOf } from "./linear-modules.ts";
import type { PlanSourceTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { storedFor } from "./plan-tensor.ts";
import type { SourceTensors } from "./typed-weight.ts";

interface Draft {
  readonly weights: readonly WeightPlan[];
  readonly config: Readonly<Record<string, unknown>> | undefined;
}

export interface PackedRequests {
  /** By name of the weight. */
  readonly requests: ReadonlyMap<string, WeightRequest>;
  readonly rest: PackedRest;
}

/** What a quantized source stores in floats although it is a linear layer. */
export interface PackedRest {
  /** Modules that stay in floats. */
  readonly kept: readonly string[];
  /** True where `requantizeRest` was given and there is no rest to quantize. */
  readonly isUnused: boolean;
}

/** What decides which weights a format packs. */
interface PackingFormat {
  readonly name: string;
  readonly target: Pick<WeightTarget, "head" | "embeddings" | "stacks">;
}

interface Candidate {
  readonly weight: WeightPlan;
  readonly stored: readonly PlanSourceTensor[];
}

/**
 * Packed weights of the source, and linear layers of the decoder. A source that stores some of these quantized left the
 * others in floats on purpose: they stay so, unless `requantizeRest` asks for them.
 */
export function packedRequests(
  format: PackingFormat,
  draft: Draft,
  sources: SourceTensors,
  { requantizeRest }: Pick<PlanOptions, "requantizeRest">,
): PackedRequests {
  const candidates = draft.weights.flatMap((weight): Candidate[] => {
    const stored = storedFor(weight, sources);
    if (stored.some(({ encoding }) => isIntegerEncoding(encoding))) return [];
    return packs(format, weight, stored, draft) ? [{ weight, stored }] : [];
  });
  const rest = candidates.filter(({ stored }) => !isQuantized(stored));
  const isMixed =
    rest.length > 0 &&
    (rest.length < candidates.length || (format.target.stacks !== true && hasStacks(draft, sources)));
  const requests = new Map<string, WeightRequest>();
  const kept: string[] = [];
  for (const { weight, stored } of candidates) {
    if (isMixed && requantizeRest !== true && !isQuantized(stored)) kept.push(moduleOf(weight.name));
    else requests.set(weight.name, requestOf(weight, stored));
  }
  return { requests, rest: { kept, isUnused: requantizeRest === true && !isMixed } };
}

/** Stacks of experts that the source stores packed, which no target of linear layers takes. */
function hasStacks({ weights }: Draft, sources: SourceTensors): boolean {
  return weights.some(
    (weight) =>
      weight.shape.length > 2 && storedFor(weight, sources).some(({ linear }) => linear !== undefined),
  );
}

function packs(
  { name, target: { head, embeddings, stacks } }: PackingFormat,
  weight: WeightPlan,
  stored: readonly PlanSourceTensor[],
  { config }: Draft,
): boolean {
  if (weight.shape.length !== 2 && stacks !== true) return false;
  const wasPacked = stored.some(({ linear }) => linear !== undefined);
  if (isHeadWeight(weight)) return head === "always" || (head === "kept" && wasPacked);
  if (isEmbeddingWeight(weight)) {
    // most formats' readers expect floats; what their own tools packed is copied
    return embeddings === true || stored.some(({ linear }) => linear?.format === name);
  }
  return wasPacked || isLinearWeight(weight, config, stacks);
}

function isQuantized(stored: readonly PlanSourceTensor[]): boolean {
  return stored.some(({ encoding, linear }) => linear !== undefined || isQuantizedEncoding(encoding));
}

function requestOf(weight: WeightPlan, stored: readonly PlanSourceTensor[]): WeightRequest {
  const rows = rowCount(weight.shape);
  const leading = weight.shape.slice(0, -2);
  const views = isRowSelection(weight) ? stored.flatMap(({ view }) => view ?? []) : [];
  const [only] = stored;
  const whole = stored.length === 1 && weight.inputs.every((input) => Object.keys(input).length === 1);
  const costs = only?.costs;
  // of a fused or stacked tensor each weight has its share
  const share = only === undefined ? 1 : rows / Math.max(1, rowCount(only.shape));
  return {
    module: moduleOf(weight.name),
    rows,
    columns: rowLength(weight.shape),
    ...(leading.length === 0 ? {} : { leading }),
    views: views.length === stored.length ? views : [],
    ...floatsOf(stored),
    ...(whole && only?.linear !== undefined && only.layout !== undefined
      ? { source: { format: only.linear.format, layout: only.layout } }
      : {}),
    ...(costs === undefined ? {} : { costs: costs.map((cost) => cost * share) }),
  };
}

const FLOATS = ["F16", "BF16", "F32"] as const;

function floatsOf(stored: readonly PlanSourceTensor[]): Pick<WeightRequest, "floats"> {
  const [first, ...others] = stored;
  const floats = FLOATS.find((one) => one === first?.encoding);
  return floats !== undefined && others.every(({ encoding }) => encoding === floats) ? { floats } : {};
}
