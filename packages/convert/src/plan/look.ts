/** What only the values of a weight tell: which codes occur, and which float type holds them all. */
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from "@requant/core";
import { integerView, type Misfit, type ViewFacts, viewFacts, withMeasuredOffsets } from "@requant/core/view";
import { viewSourceByName, viewTypes } from "@requant/gguf";
import type { Model, ModelTensor } from "../model/model.ts";
import { bandMemory, rowBands } from "../model/row-bands.ts";

/** The facts of a linear weight with the offsets that really occur in its codes. */
export async function measuredFacts(
  model: Model,
  name: string,
  facts: ViewFacts,
  signal: AbortSignal | undefined,
): Promise<ViewFacts> {
  const { shape } = model.tensor(name);
  let minOffset = Number.POSITIVE_INFINITY;
  let maxOffset = Number.NEGATIVE_INFINITY;
  for (const { start, end } of rowBands(shape)) {
    signal?.throwIfAborted();
    const { view: stored } = await model.weight(name).readView(start, end);
    const { view } = stored === undefined ? {} : integerView(stored);
    if (view === undefined) return facts;
    const band = withMeasuredOffsets(facts, view);
    minOffset = Math.min(minOffset, band.minOffset);
    maxOffset = Math.max(maxOffset, band.maxOffset);
  }
  return minOffset > maxOffset ? facts : { ...facts, minOffset, maxOffset };
}

export type BlockFacts =
  | { readonly view: ViewFacts; readonly misfit?: undefined }
  | { readonly view?: undefined; readonly misfit: Misfit };

/**
 * The facts of a tensor of ggml blocks, from all of them, with the scale of the whole weight or without it; or why its blocks
 * are no integers, which most K-quants show in the first one.
 */
export async function blockFacts(
  model: Model,
  name: string,
  signal: AbortSignal | undefined,
  unscaled = false,
): Promise<BlockFacts> {
  const tensor = model.tensor(name);
  const maxCode = viewSourceByName(tensor.encoding)?.view.maxCode ?? 255;
  let facts: ViewFacts | undefined;
  // the first rows alone: nearly always enough to see that there are none
  for (const { start, end } of rowBands(tensor.shape, { firstRows: 1 })) {
    signal?.throwIfAborted();
    const stored = await model.weight(name).readView(start, end, unscaled);
    const { view, misfit } = stored.view === undefined ? stored : integerView(stored.view);
    if (view === undefined) return { misfit };
    const band = withMeasuredOffsets(viewFacts(view, maxCode, { tensor: name }), view);
    facts = facts === undefined ? band : mergedFacts(facts, band);
  }
  return facts === undefined
    ? { misfit: { reason: "the tensor has no rows" } }
    : { view: { ...facts, ...tableFacts(tensor, unscaled) } };
}

/** Of a type whose codes name the levels of a table. Times a number for the whole weight, scales may be any. */
function tableFacts(
  { encoding, scaledBy }: ModelTensor,
  unscaled: boolean,
): Pick<ViewFacts, "table" | "scaleType"> {
  const requirement = viewTypes.find(({ name }) => name === encoding)?.requirement;
  const { codes, scale } = requirement ?? {};
  if (codes?.kind !== "table" || (scale !== "E8M0" && scale !== "E4M3")) return {};
  return scaledBy === undefined || unscaled ? { table: codes.name, scaleType: scale } : { table: codes.name };
}

/** Facts of two bands of rows of one weight together. */
function mergedFacts(a: ViewFacts, b: ViewFacts): ViewFacts {
  return {
    ...a,
    rows: a.rows + b.rows,
    scaleBlockSize: Math.min(a.scaleBlockSize, b.scaleBlockSize),
    zeroBlockSize: Math.min(a.zeroBlockSize, b.zeroBlockSize),
    minZero: Math.min(a.minZero, b.minZero),
    maxZero: Math.max(a.maxZero, b.maxZero),
    minOffset: Math.min(a.minOffset, b.minOffset),
    maxOffset: Math.max(a.maxOffset, b.maxOffset),
    symmetric: a.symmetric && b.symmetric,
    hasNegativeScales: a.hasNegativeScales || b.hasNegativeScales,
    scalesAreHalf: a.scalesAreHalf && b.scalesAreHalf,
    scalesAreBfloat: a.scalesAreBfloat && b.scalesAreBfloat,
    offsetsAreHalf: a.offsetsAreHalf && b.offsetsAreHalf,
  };
}

const NARROW = [
  ["BF16", (value: number): number => bfloatToFloat(floatToBfloat(value))],
  ["F16", (value: number): number => halfToFloat(floatToHalf(value))],
] as const;

/** The 16-bit float type that holds every value of a tensor; F32 when neither does. Stops where both are ruled out. */
export async function narrowestFloat(
  model: Model,
  name: string,
  signal: AbortSignal | undefined,
): Promise<"BF16" | "F16" | "F32"> {
  const { shape } = model.tensor(name);
  const options = { firstRows: 1 };
  const memory = bandMemory(shape, options);
  let fitting = [...NARROW];
  for (const rows of rowBands(shape, options)) {
    signal?.throwIfAborted();
    const values = memory(rows);
    await model.weight(name).readRows(rows.start, rows.end, values);
    fitting = fitting.filter(([, rounded]) => values.every((value) => rounded(value) === value));
    if (fitting.length === 0) return "F32";
  }
  return fitting[0]?.[0] ?? "F32";
}
