/** What the types that a weight can have do to it, measured on a few of its rows. */
import { rowCount, rowLength } from "@requant/core";
import type { PackGuide } from "@requant/core/format";
import { outputError, squaredOutput } from "@requant/core/solve";
import { ggmlTypeByName, importanceOf } from "@requant/gguf";
import { isEmbeddingOrHead, isRowSelection, openWeight } from "@requant/models";
import { encoderOf } from "../model/encodings.ts";
import type { Model } from "../model/model.ts";
import { weightSource } from "../model/weight-source.ts";
import { isQuantizedEncoding } from "./fidelity.ts";
import { ggufGuides } from "./measuring-guides.ts";
import { findNonFinite } from "./non-finite.ts";
import type { PlanTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { sizedTypes, type TypeCosts } from "./sized-types.ts";

type MeasureOptions = Pick<PlanOptions, "imatrix" | "signal" | "statistics">;

/** Numbers that stand for a weight, in whole rows. With second moments a row takes columns² of work, so there are fewer. */
const SAMPLE_WEIGHTS = 65_536;
const SAMPLE_WEIGHTS_WITH_MOMENTS = 16_384;
/** Rows of small weights, and at least of large ones. */
const MOST_ROWS = 32;
const LEAST_ROWS = 2;

/**
 * The costs of every weight that is to be quantized, by name. Of embeddings and the head the weights' own errors: in a head
 * the part of the output that all tokens share, which changes no probability, hides most of the error. Memory: the rows of one weight, and the statistics of one.
 * Weights whose values are all zero, or not all finite, are left out: typical costs are assumed for them.
 */
export async function measureTypeCosts(
  model: Model,
  tensors: readonly PlanTensor[],
  options: MeasureOptions,
): Promise<ReadonlyMap<string, TypeCosts>> {
  const costs = new Map<string, TypeCosts>();
  const known = { imatrix: options.imatrix, guideOf: ggufGuides(options) };
  for (const tensor of tensors) {
    options.signal?.throwIfAborted();
    if (!isQuantizedEncoding(tensor.to) || tensor.linear !== undefined) continue;
    const measured = await measuredTypes(model, tensor, known);
    if (measured !== undefined) costs.set(tensor.name, measured);
  }
  return costs;
}

interface KnownInputs {
  readonly imatrix: PlanOptions["imatrix"];
  readonly guideOf: ReturnType<typeof ggufGuides>;
}

async function measuredTypes(
  model: Model,
  tensor: PlanTensor,
  { imatrix, guideOf }: KnownInputs,
): Promise<TypeCosts | undefined> {
  const { name, shape } = tensor;
  const [rows, columns] = [rowCount(shape), rowLength(shape)];
  const entry = imatrix === undefined ? undefined : importanceOf(imatrix.weights, name, shape);
  const matrices = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const perMatrix = rows / matrices;
  const types = sizedTypes({ shape, hasImportance: entry !== undefined });
  const sums = new Map(types.map((type) => [type, 0]));
  const total = { energy: 0, count: 0, guided: 0 };
  const first = await guideOf?.(tensor, 0);
  const weights = first?.statistics === undefined ? SAMPLE_WEIGHTS : SAMPLE_WEIGHTS_WITH_MOMENTS;
  const wanted = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor(weights / columns)));
  const read = await sampledRows(model, tensor, wanted);
  for (const { row, values } of read) {
    const matrix = Math.floor(row / perMatrix);
    const guide = matrix === 0 ? first : await guideOf?.(tensor, matrix);
    const importance = importanceFor(entry, guide, matrix, columns);
    const known: PackGuide = isEmbeddingOrHead(name) ? {} : { ...guide, importance };
    const energy = errorOf(values, undefined, known);
    if (!Number.isFinite(energy)) return undefined;
    total.energy += energy;
    total.count++;
    if (importance !== undefined || known.statistics !== undefined) total.guided++;
    if (energy === 0) continue;
    for (const type of types) {
      sums.set(type, sums.get(type)! + errorOf(values, coded(values, type, importance), known));
    }
  }
  if (!(total.energy > 0)) return undefined;
  const errors = Object.fromEntries([...sums].map(([type, sum]) => [type, sum / total.energy]));
  if (total.guided < total.count) return { errors };
  return { errors, output: (total.energy * perMatrix) / total.count };
}

interface SampledRow {
  readonly row: number;
  readonly values: Float32Array;
}

async function sampledRows(model: Model, tensor: PlanTensor, wanted: number): Promise<SampledRow[]> {
  const [rows, columns] = [rowCount(tensor.shape), rowLength(tensor.shape)];
  const reader = openWeight(tensor, weightSource(model));
  const count = Math.min(rows, wanted);
  // a row of a computed or transposed weight costs the reading of all rows: its first rows stand for the others
  if (!isRowSelection(tensor)) {
    const values = new Float32Array(count * columns);
    await reader.readRows(0, count, values);
    return Array.from({ length: count }, (_, row) => ({
      row,
      values: values.slice(row * columns, (row + 1) * columns),
    })).filter(({ values: own }) => allFinite(own));
  }
  const read: SampledRow[] = [];
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * rows) / count);
    const values = new Float32Array(columns);
    await reader.readRows(row, row + 1, values);
    if (allFinite(values)) read.push({ row, values });
  }
  return read;
}

/** What is not finite is refused where it is encoded, with its place; it must not decide here. */
function allFinite(values: Float32Array): boolean {
  return findNonFinite(values, values) === undefined;
}

function importanceFor(
  entry: ArrayLike<number> | undefined,
  guide: PackGuide | undefined,
  matrix: number,
  columns: number,
): Float32Array | undefined {
  if (guide?.importance !== undefined) return guide.importance;
  if (entry === undefined) return undefined;
  // of a stack one row of weights for each matrix
  const start = entry.length > columns ? matrix * columns : 0;
  return Float32Array.from({ length: columns }, (_, column) => entry[start + column] ?? 0);
}

function coded(values: Float32Array, type: string, importance: Float32Array | undefined): Float32Array {
  const codec = encoderOf(type);
  const bytes = new Uint8Array((values.length / codec.blockSize) * codec.blockByteLength);
  const back = new Float32Array(values.length);
  const isUsed = ggmlTypeByName(type).importance !== "ignored";
  codec.quantize(values, values.length, bytes, isUsed ? importance : undefined);
  codec.dequantize(bytes, back);
  return back;
}

/** The squared error of one row; without `back` that of losing all of it. */
function errorOf(values: Float32Array, back: Float32Array | undefined, guide: PackGuide): number {
  const { statistics, importance } = guide;
  if (statistics !== undefined && statistics.tokens > 0) {
    return back === undefined ? squaredOutput(values, statistics) : outputError(values, back, statistics);
  }
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += (importance?.[i] ?? 1) * (values[i]! - (back?.[i] ?? 0)) ** 2;
  }
  return sum;
}
