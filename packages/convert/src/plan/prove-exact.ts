/**
 * Headers and small parts cannot tell everything. The norms of a bf16 checkpoint stand in a GGUF as F32 and fit into bf16
 * again; the codes of a group may use less than the range that its zero point allows. Where it is cheap to see, the
 * values are looked at before a plan calls a weight rounded or requantized.
 */
import { ConversionError, elementCount } from "@requant/core";
import { fitView, type ViewRequirement } from "@requant/core/view";
import { viewSourceByName, viewTypes } from "@requant/gguf";
import { isRowSelection, openWeight, plannedSources, type WeightInput } from "@requant/models";
import { encoderOf } from "../model/encodings.ts";
import type { HiddenGrids } from "../model/hidden-grids.ts";
import type { Model } from "../model/model.ts";
import { rowBands } from "../model/row-bands.ts";
import { viewRows } from "../model/view-rows.ts";
import { weightSource } from "../model/weight-source.ts";
import type { Plan, PlanSource, PlanTensor } from "./plan.ts";
import { byName, replanned, storedFor } from "./plan-tensor.ts";
import { weightTargetByName } from "./target-formats.ts";
import type { SourceTensors } from "./typed-weight.ts";
import { isGuided } from "./way.ts";

/** Weights of a tensor that is looked at in any case: norms and biases. */
const SMALL = 256 * 1024;
/** The first band is a short one: what does not fit mostly shows there. */
const BANDS = { byteLength: 1024 * 1024, firstRows: 8 } as const;

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
  const views = new Set(
    source.tensors.flatMap(({ name, view, encoding }) =>
      (view?.storedOffsets === "integer" && view.storedValues === undefined) ||
      viewSourceByName(encoding) !== undefined
        ? [name]
        : [],
    ),
  );
  const sources = byName(source.tensors);
  const tensors: PlanTensor[] = [];
  for (const tensor of plan.tensors) {
    if (isCandidate(tensor, options.all) && (await comesBack(tensor, model, options.signal))) {
      tensors.push(replanned(tensor, sources, "come back"));
    } else if (
      isViewCandidate(tensor, views) &&
      (await fits(tensor, model, gridsIn(tensor, sources), options.signal))
    ) {
      tensors.push(replanned(tensor, sources, "fit"));
    } else tensors.push(tensor);
  }
  return { ...plan, tensors };
}

function isCandidate({ fidelity, shape, inputs, linear, way }: PlanTensor, all: boolean): boolean {
  // what moves on its integers was judged by their facts
  if (linear !== undefined || way.kind !== "floats") return false;
  const rounds = fidelity === "rounded" || (all && fidelity === "float");
  return rounds && (all || elementCount(shape) <= SMALL) && shiftOf(inputs) !== undefined;
}

const shifts: Readonly<Record<string, number>> = { "add-one": 1, "subtract-one": -1 };

/** What norms stored as x + 1 are moved by; 0 where nothing is, undefined for maps that no sum undoes. */
function shiftOf(inputs: readonly WeightInput[]): number | undefined {
  const moves = inputs.map((input) => {
    if ("join" in input && shiftOf(input.join) !== 0) return undefined;
    if (!("map" in input) || input.map === undefined) return 0;
    if (typeof input.map === "string") return shifts[input.map];
    return "add" in input.map ? Math.fround(input.map.add) : undefined;
  });
  return moves.every((move) => move === moves[0]) ? moves[0] : undefined;
}

/** Every sum x ± 1 is an f32 that leads back to x: true of norms but for the tiniest numbers. */
async function sumsAreExact(tensor: PlanTensor, model: Model, shift: number): Promise<boolean> {
  const source = weightSource(model);
  const unmapped = tensor.inputs.map((input) => {
    if (!("map" in input)) return input;
    const { map: _map, ...rest } = input;
    return rest;
  });
  const count = elementCount(tensor.shape);
  const before = new Float32Array(count);
  const after = new Float32Array(count);
  const rows = count / Math.max(1, tensor.shape.at(-1) ?? 1);
  await openWeight({ ...tensor, inputs: unmapped }, source).readRows(0, rows, before);
  await openWeight(tensor, source).readRows(0, rows, after);
  return before.every((value, i) => (after[i] ?? Number.NaN) - shift === value);
}

/** Encodes until the first value that differs; where values are moved, looks at the sums first. */
async function comesBack(
  tensor: PlanTensor,
  model: Model,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const shift = shiftOf(tensor.inputs);
  if (shift === undefined || (shift !== 0 && !(await sumsAreExact(tensor, model, shift)))) return false;
  const codec = encoderOf(tensor.to, { tensor: tensor.name });
  const reader = openWeight(tensor, weightSource(model));
  const columns = tensor.shape.at(-1) ?? 1;
  for (const { start, end } of rowBands(tensor.shape, BANDS)) {
    signal?.throwIfAborted();
    const values = new Float32Array((end - start) * columns);
    await reader.readRows(start, end, values);
    const bytes = new Uint8Array((values.length / codec.blockSize) * codec.blockByteLength);
    const back = new Float32Array(values.length);
    codec.quantize(values, columns, bytes);
    codec.dequantize(bytes, back);
    if (values.some((value, index) => value !== back[index])) return false;
  }
  return true;
}

function isViewCandidate(tensor: PlanTensor, views: ReadonlySet<string>): boolean {
  if (tensor.fidelity !== "requantized" || isGuided(tensor) || !isRowSelection(tensor)) return false;
  // bands of rows do not show which rows share scales
  const requirement = requirementOf(tensor);
  if (requirement === undefined || requirement.scaleRows !== undefined) return false;
  return plannedSources(tensor).every((name) => views.has(name));
}

function requirementOf({ linear, to }: PlanTensor): ViewRequirement | undefined {
  if (linear !== undefined) return weightTargetByName(linear.format).encoder(linear.layout).requirement;
  return viewTypes.find(({ name }) => name === to)?.requirement;
}

/** The grids of the floats that a tensor is made from. */
function gridsIn(tensor: PlanTensor, sources: SourceTensors): HiddenGrids {
  return Object.fromEntries(
    storedFor(tensor, sources).flatMap(({ name, grid }) => (grid === undefined ? [] : [[name, grid]])),
  );
}

/** Looks at codes until the first group that the layout cannot hold, which is nearly always in the first rows. */
async function fits(
  tensor: PlanTensor,
  model: Model,
  grids: HiddenGrids,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const requirement = requirementOf(tensor);
  if (requirement === undefined) return false;
  const source = viewRows(model, { ...tensor, grids });
  for (const { start, end } of rowBands(tensor.shape, BANDS)) {
    signal?.throwIfAborted();
    const bands = await source.read(start, end).catch(noView);
    if (bands === undefined) return false;
    for (const { view } of bands) if (fitView(view, requirement).view === undefined) return false;
  }
  return true;
}

/** Blocks with minimums of their own, as most K-quants have. */
function noView(error: unknown): undefined {
  if (!(error instanceof ConversionError)) throw error;
  return undefined;
}
