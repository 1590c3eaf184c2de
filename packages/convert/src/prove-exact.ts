/**
 * Headers and small parts cannot tell everything. The norms of a bf16 checkpoint stand in a GGUF as F32 and fit into bf16
 * again; the codes of a group may use less than the range that its zero point allows. Where it is cheap to see, the
 * values are looked at before a plan calls a weight rounded or requantized.
 */
import { ConversionError, elementCount, fitGrid, type GridRequirement } from "@requant/core";
import { gridTypes } from "@requant/gguf";
import { isRowSelection, plannedSources } from "@requant/models";
import { errorMeter } from "./error-meter.ts";
import { gridRows } from "./linear/grid-rows.ts";
import { linearTargetByName } from "./linear/targets.ts";
import type { Model } from "./model.ts";
import type { Plan, PlanSource, PlanTensor } from "./plan.ts";
import { tensorBytes } from "./weights.ts";

/** Weights of a tensor that is looked at in any case: norms and biases. */
const SMALL = 256 * 1024;
const BAND_BYTE_LENGTH = 1024 * 1024;

export interface ProveOptions {
  /** Look at tensors of any size, not only at small ones: before `exact` refuses them. */
  readonly all: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The plan with `exact` for every tensor whose values turn out to come back unchanged. */
export async function proveExact(
  plan: Plan,
  model: Model,
  source: PlanSource,
  options: ProveOptions,
): Promise<Plan> {
  const grids = new Set(
    source.tensors.flatMap(({ name, grid, encoding }) =>
      grid?.storedOffsets === "integer" || gridTypes.some((type) => type.name === encoding) ? [name] : [],
    ),
  );
  const tensors: PlanTensor[] = [];
  for (const tensor of plan.tensors) {
    if (isCandidate(tensor, options.all) && (await comesBack(tensor, model, options.signal))) {
      tensors.push({ ...withoutReason(tensor), fidelity: "exact" });
    } else if (isGridCandidate(tensor, grids) && (await fits(tensor, model, options.signal))) {
      tensors.push({ ...withoutReason(tensor), fidelity: "exact", way: "grid" });
    } else tensors.push(tensor);
  }
  return { ...plan, tensors };
}

function withoutReason(tensor: PlanTensor): PlanTensor {
  const { reason: _reason, hint: _hint, ...rest } = tensor;
  return rest;
}

function isCandidate({ fidelity, shape, inputs, linear, way }: PlanTensor, all: boolean): boolean {
  // what moves on its integers was judged by their facts
  if (linear !== undefined || way !== undefined) return false;
  const rounds = fidelity === "rounded" || (all && fidelity === "float");
  // a map moves the values on purpose
  return rounds && (all || elementCount(shape) <= SMALL) && inputs.every((input) => !("map" in input));
}

/** Encodes until the first value that differs. */
async function comesBack(
  tensor: PlanTensor,
  model: Model,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const meter = errorMeter();
  for await (const _ of tensorBytes(model, tensor, { bandByteLength: BAND_BYTE_LENGTH, signal }, meter)) {
    if (meter.sums().maxAbsError > 0) return false;
  }
  return true;
}

function isGridCandidate(tensor: PlanTensor, grids: ReadonlySet<string>): boolean {
  if (tensor.fidelity !== "requantized" || tensor.importance !== undefined || !isRowSelection(tensor))
    return false;
  return requirementOf(tensor) !== undefined && plannedSources(tensor).every((name) => grids.has(name));
}

function requirementOf({ linear, to }: PlanTensor): GridRequirement | undefined {
  if (linear !== undefined) return linearTargetByName(linear.format).encoder(linear.layout).requirement;
  return gridTypes.find(({ name }) => name === to)?.requirement;
}

/** Looks at codes until the first group that the layout cannot hold, which is nearly always in the first rows. */
async function fits(tensor: PlanTensor, model: Model, signal: AbortSignal | undefined): Promise<boolean> {
  const requirement = requirementOf(tensor);
  if (requirement === undefined) return false;
  const columns = tensor.shape.at(-1) ?? 1;
  const rows = elementCount(tensor.shape) / columns;
  const step = Math.max(1, Math.floor(BAND_BYTE_LENGTH / (4 * columns)));
  const source = gridRows(model, tensor);
  for (let row = 0, end = Math.min(8, rows); row < rows; row = end, end = Math.min(row + step, rows)) {
    signal?.throwIfAborted();
    const bands = await source.read(row, end).catch(noGrid);
    if (bands === undefined) return false;
    for (const { grid } of bands) if (fitGrid(grid, requirement).grid === undefined) return false;
  }
  return true;
}

/** Blocks with minimums of their own, as most K-quants have. */
function noGrid(error: unknown): undefined {
  if (!(error instanceof ConversionError)) throw error;
  return undefined;
}
