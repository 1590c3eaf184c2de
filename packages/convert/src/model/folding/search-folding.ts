/** Searches scales for all places of a model where they can be folded in. */
import { elementCount, type Finding, rowCount } from "@requant/core";
import { ROUND_TO } from "@requant/core/numeric";
import type { InputStatistics, MeasuredLayer } from "@requant/core/solve";
import {
  type Folding,
  foldedFactors,
  foldingsOf,
  sourceFactors,
  tensorRole,
  type WeightFactors,
} from "@requant/models";
import type { Model } from "../model.ts";
import type { StatisticsByMatrix } from "../statistics-file.ts";
import type { Folded, FoldedTensor } from "./folded.ts";
import { type GgufView, ggufView } from "./gguf-view.ts";

/** What a search is given and asked. */
export interface FoldingSearch {
  readonly statistics: StatisticsByMatrix;
  /** Scales for the columns of layers that read the same inputs. */
  readonly scalesOf: (layers: readonly MeasuredLayer[], sharedColumn: Int32Array | undefined) => Float32Array;
  /** Whether a weight, by its GGUF name, will be quantized: all others are multiplied, but do not take part in the search. Default: all but routers. */
  readonly isQuantized?: ((name: string) => boolean) | undefined;
  /** Whether the rows of a weight, by its GGUF name, may be divided: one that stays in floats would be stored wider. Default: of all. */
  readonly isDivisible?: ((name: string) => boolean) | undefined;
  /** Called after each search, with the searches that are done and their count. */
  readonly onFolding?: ((done: number, count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Routers stay in floats in all formats. */
const isNoRouter = (name: string): boolean => tensorRole(name) !== "router";

/**
 * Searches the scales. The weights of one place are in memory at a time, as f32.
 * @throws ConversionError for a family without GGUF names, or weights that are not finite
 */
export async function searchFolding(
  model: Model,
  search: FoldingSearch,
): Promise<{ readonly folded: Folded; readonly findings: readonly Finding[] }> {
  const view = await ggufView(model);
  const { foldings, findings } = foldingsOf(view.metadata, view.plans);
  const shapes = new Map(view.plans.map(({ name, shape }) => [name, shape]));
  const used: Folding[] = [];
  const scales: Float32Array[] = [];
  for (const [index, folding] of foldings.entries()) {
    search.signal?.throwIfAborted();
    const found = await searchOne(view, folding, shapes, search);
    if (found !== undefined) {
      used.push(folding);
      scales.push(await storable(model, view, folding, found));
    }
    search.onFolding?.(index + 1, foldings.length);
  }
  const inputs = new Map<string, Float32Array>();
  for (const [index, { readers }] of used.entries())
    for (const reader of readers) inputs.set(reader, scales[index]!);
  const factors = sourceFactors(
    view.plans,
    foldedFactors(used, scales, shapes),
    (name) => model.tensor(name).shape,
  );
  const tensors = new Map<string, FoldedTensor>();
  for (const [name, own] of factors) tensors.set(name, await foldedTensor(model, name, own));
  return { folded: { tensors, inputs }, findings };
}

/** Scales [matrices, columns]; undefined where no weight that is quantized has statistics. */
async function searchOne(
  view: GgufView,
  { readers, columns, matrices, divided, sharedColumn }: Folding,
  shapes: ReadonlyMap<string, readonly number[]>,
  { statistics, scalesOf, isQuantized = isNoRouter, isDivisible }: FoldingSearch,
): Promise<Float32Array | undefined> {
  if (divided.kind === "rows" && isDivisible?.(divided.tensor) === false) return undefined;
  const layers: MeasuredLayer[][] = Array.from({ length: matrices }, () => []);
  // layers that read the same inputs share one copy of the statistics
  const known = new Map<string, InputStatistics>();
  for (const name of readers) {
    const entry = statistics.entries.has(name) ? name : statistics.shared.get(name);
    const tokens = entry === undefined ? undefined : statistics.entries.get(entry)?.tokens;
    if (entry === undefined || tokens === undefined || !isQuantized(name)) continue;
    const shape = shapes.get(name) ?? [];
    const rows = rowCount(shape) / tokens.length;
    const reader = view.open(name);
    for (const [matrix, count] of tokens.entries()) {
      if (count === 0) continue;
      const key = `${entry} ${matrix}`;
      const own = known.get(key) ?? (await statistics.read(entry, matrix));
      known.set(key, own);
      const values = new Float32Array(rows * columns);
      await reader.readRows(matrix * rows, (matrix + 1) * rows, values);
      layers[matrices === 1 ? 0 : matrix]?.push({ values, rows, statistics: own });
    }
  }
  if (layers.every((own) => own.length === 0)) return undefined;
  const scales = new Float32Array(matrices * columns).fill(1);
  for (const [matrix, own] of layers.entries()) {
    if (own.length > 0) scales.set(scalesOf(own, sharedColumn), matrix * columns);
  }
  return scales;
}

/** The float type that a tensor keeps where its numbers fit it. */
function floatType(encoding: string): "F32" | "F16" | "BF16" {
  return encoding === "F16" || encoding === "BF16" ? encoding : "F32";
}

/**
 * Scales beside the given ones by which the norm, in the type that it is stored in, can be divided without rounding: so folding
 * changes the model only by the rounding of f32.
 */
async function storable(
  model: Model,
  view: GgufView,
  { divided }: Folding,
  scales: Float32Array,
): Promise<Float32Array> {
  if (divided.kind !== "norm") return scales;
  const [name = ""] = divided.tensors;
  const [input] = view.plans.find((plan) => plan.name === name)?.inputs ?? [];
  if (input === undefined || !("tensor" in input)) return scales;
  const { encoding, shape } = model.tensor(input.tensor);
  const round = ROUND_TO[floatType(encoding)];
  const shift = input.map === "add-one" ? 1 : 0;
  const norm = new Float32Array(elementCount(shape));
  await model.weight(input.tensor).readRows(0, 1, norm);
  return scales.map((scale, column) => {
    const whole = norm[column]! + shift;
    const stored = round(whole / scale - shift) + shift;
    const settled = whole / stored;
    return Number.isFinite(settled) && settled > 0 ? settled : 1;
  });
}

async function foldedTensor(model: Model, name: string, own: WeightFactors): Promise<FoldedTensor> {
  const { rows, columns, shift = 0 } = own;
  const { shape, encoding } = model.tensor(name);
  if (shape.length !== 1) return { kind: "factors", rows, columns };
  const values = new Float32Array(elementCount(shape));
  await model.weight(name).readRows(0, 1, values);
  const type = floatType(encoding);
  const round = ROUND_TO[type];
  const divided = values.map((value, i) => (value + shift) * (columns?.[i] ?? 1) - shift);
  const rounded = divided.map((value) => round(value));
  const isKept = rounded.every((value, i) => isNear(value + shift, divided[i]! + shift));
  return { kind: "values", encoding: isKept ? type : "F32", values: isKept ? rounded : divided };
}

/** Equal but for the rounding of f32. */
function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.abs(b) * 2 ** -21;
}
