/** The tensors of a source with what a plan must know about them. */
import { elementCount, rowCount } from "@requant/core";

import type { TensorScale } from "@requant/core/format";
import type { FoundGrid, Misfit } from "@requant/core/view";
import { exactTypes, viewSourceByName } from "@requant/gguf";
import { findGrid, mayHideGrid } from "../model/hidden-grids.ts";
import type { Model, ModelTensor } from "../model/model.ts";
import type { PackedReads } from "../model/stored-weight.ts";
import { mayNarrow } from "./auto-type.ts";
import { isFloatEncoding } from "./fidelity.ts";
import type { SourceNeeds } from "./format.ts";
import { blockFacts, measuredFacts, narrowestFloat } from "./look.ts";
import type { PlanSourceTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";

/** Small parts of linear weights always, values only where `needs` asks for what they tell. */
export async function lookedAt(
  model: Model,
  needs: SourceNeeds,
  { signal }: Pick<PlanOptions, "signal">,
): Promise<readonly PlanSourceTensor[]> {
  const tensors: PlanSourceTensor[] = [];
  const packed = new Set(model.tensors.flatMap(({ name, linear }) => (linear === undefined ? [] : [name])));
  for (const tensor of model.tensors) {
    signal?.throwIfAborted();
    const reads = model.weight(tensor.name).packed;
    tensors.push(
      reads === undefined
        ? await plainTensor(model, tensor, needs, packed, signal)
        : await linearTensor(model, tensor, reads, needs, signal),
    );
  }
  return tensors;
}

async function linearTensor(
  model: Model,
  tensor: ModelTensor,
  packed: PackedReads,
  needs: SourceNeeds,
  signal: AbortSignal | undefined,
): Promise<PlanSourceTensor> {
  const { facts, layout, noView, exactIn, tensorScale } = await packed.examine();
  const [narrow] = exactIn ?? [];
  if (facts === undefined) {
    const narrowest =
      needs.narrowest === true ? (narrow ?? (await narrowestFloat(model, tensor.name, signal))) : undefined;
    return { ...tensor, noView, layout, exactIn, tensorScale, narrowest };
  }
  const view = needs.offsets === true ? await measuredFacts(model, tensor.name, facts, signal) : facts;
  if (needs.narrowest !== true || exactTypes(view).length > 0)
    return { ...tensor, view, layout, exactIn, tensorScale };
  // values that are rounded to f16 are f16 values
  const narrowest =
    narrow ?? (view.rounding === "f16" ? "F16" : await narrowestFloat(model, tensor.name, signal));
  return { ...tensor, view, layout, exactIn, tensorScale, narrowest };
}

async function plainTensor(
  model: Model,
  tensor: ModelTensor,
  needs: SourceNeeds,
  packed: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<PlanSourceTensor> {
  const { name, shape, encoding } = tensor;
  if (name.endsWith(".bias") && packed.has(name.replace(/\.bias$/, ".weight"))) {
    return { ...tensor, zero: await isZero(model, tensor) };
  }
  const matrix = model.naming === "hf" ? shape.length >= 2 : mayNarrow(name, shape);
  if (matrix && isFloatEncoding(encoding)) return floatMatrix(model, tensor, needs, signal);
  if (needs.blocks === true && viewSourceByName(encoding) !== undefined) {
    const { view, misfit } = await blockFacts(model, name, signal);
    if (view === undefined) return { ...tensor, noView: misfit };
    if (tensor.scaledBy === undefined) return { ...tensor, view };
    return { ...tensor, view, tensorScale: await blocksApart(model, tensor, tensor.scaledBy, signal) };
  }
  return tensor;
}

/** Blocks and the number that they are multiplied by; undefined for several numbers. */
async function blocksApart(
  model: Model,
  { name }: ModelTensor,
  scaledBy: string,
  signal: AbortSignal | undefined,
): Promise<TensorScale | undefined> {
  if (elementCount(model.tensor(scaledBy).shape) !== 1) return undefined;
  const value = new Float32Array(1);
  await model.weight(scaledBy).readRows(0, 1, value);
  const { view: facts } = await blockFacts(model, name, signal, true);
  const [scale = 0] = value;
  return facts === undefined || !Number.isFinite(scale) ? undefined : { scale, facts };
}

async function floatMatrix(
  model: Model,
  tensor: ModelTensor,
  needs: SourceNeeds,
  signal: AbortSignal | undefined,
): Promise<PlanSourceTensor> {
  const { name, encoding } = tensor;
  const looks = needs.grids !== undefined && mayHideGrid(tensor);
  const found = looks ? await findGrid(model, name, signal) : undefined;
  const seen: PlanSourceTensor = !looks
    ? tensor
    : found === undefined
      ? { ...tensor, noView: NO_GRID }
      : { ...tensor, grid: found.grid, view: found.facts, tensorScale: factorOf(found) };
  const isNarrowed = needs.narrowest === true && encoding === "F32";
  if (!isNarrowed || (found !== undefined && exactTypes(found.facts).length > 0)) return seen;
  return { ...seen, narrowest: await narrowestFloat(model, name, signal) };
}

/** The one more scale of an NVFP4 grid, and the facts without it: the scales of its blocks are E4M3 numbers. */
function factorOf({ grid: { scale, factor = 1 }, facts }: FoundGrid): TensorScale | undefined {
  if (factor === 1 || scale !== "E4M3") return undefined;
  return { scale: factor, facts: { ...facts, scaleType: scale, scalesAreHalf: true, scalesAreBfloat: true } };
}

const NO_GRID: Misfit = { reason: "its floats lie on no grid that an earlier quantization left" };

/** Some quantizers write biases of zeros for layers that have none. */
async function isZero(model: Model, { name, shape }: ModelTensor): Promise<boolean> {
  const values = new Float32Array(elementCount(shape));
  // a stack of experts has a row of biases for each
  await model.weight(name).readRows(0, rowCount(shape), values);
  return values.every((value) => value === 0);
}
