/** Compares the values of two weights, a few rows at a time. */
import { roundToHalf } from "@requant/core/view";
import { plannedSources, type WeightPlan } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { RowBand } from "../model/row-bands.ts";
import { sameBytes } from "../model/same-bytes-twin.ts";
import type { WeightBands } from "../model/weight-bands.ts";
import type { Comparison } from "../run/comparison.ts";
import { comparer } from "../run/comparison-twin.ts";
import { firstNonFinite } from "../run/error-meter-twin.ts";

/** How values are compared. */
export interface CompareOptions {
  /** Both sides' values are rounded to f16 first. */
  readonly halves: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Two weights of as many rows of one length. Weights whose values are all the same need no sums: these are taken from the start
 * once the first values differ.
 */
export async function compareValues(
  a: WeightBands,
  b: WeightBands,
  options: CompareOptions,
): Promise<Comparison> {
  const both = pairOf(a, b, options);
  const comparison = comparer();
  if (await areSame(a, both)) return { ...comparison.result(), count: a.count };
  for (const band of a.bands) {
    await both.read(band);
    for (const rows of a.steps(band)) {
      const { one, other } = both.values(rows);
      comparison.add(one, other ?? one);
    }
  }
  return comparison.result();
}

/** Two weights, read band by band. */
interface Pair {
  /** Reads a band of both, unless it is the one that was read last. */
  read(band: RowBand): Promise<void>;
  /** The values of some rows of the band; one side only where both are stored alike. */
  values(rows: RowBand): { readonly one: Float32Array; readonly other: Float32Array | undefined };
}

function pairOf(a: WeightBands, b: WeightBands, { halves, signal }: CompareOptions): Pair {
  let start: number | undefined;
  return {
    async read(band) {
      signal?.throwIfAborted();
      if (band.start === start) return;
      await a.read(band);
      await b.read(band);
      start = band.start;
    },
    values(rows) {
      const one = a.values(rows);
      const other = areStoredAlike(a, b, rows) ? undefined : b.values(rows);
      if (halves) for (const values of other === undefined ? [one] : [one, other]) roundToHalf(values);
      return { one, other };
    },
  };
}

/** Whether all values are the same, to the bit, and finite. Ends with the first ones that are not. */
async function areSame({ bands, steps }: WeightBands, { read, values }: Pair): Promise<boolean> {
  for (const band of bands) {
    await read(band);
    for (const rows of steps(band)) {
      const { one, other } = values(rows);
      if (other !== undefined && !sameBytes(bytesOf(one), bytesOf(other))) return false;
      if (firstNonFinite(one) < one.length) return false;
    }
  }
  return true;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Rows of the same bytes need to be decoded once only. */
function areStoredAlike(a: WeightBands, b: WeightBands, rows: RowBand): boolean {
  const [one, other] = [a.stored, b.stored];
  if (one === undefined || one.encoding !== other?.encoding) return false;
  return sameBytes(one.bytes(rows), other.bytes(rows));
}

/** One side's values are rounded to f16 by its own rule, and the other side's readers round theirs. */
export async function comparesInHalf(
  a: Model,
  planA: WeightPlan,
  b: Model,
  planB: WeightPlan,
): Promise<boolean> {
  const kinds = [await roundingOf(a, planA), await roundingOf(b, planB)];
  return kinds.includes("stored") && kinds.includes("reader");
}

async function roundingOf(model: Model, plan: WeightPlan): Promise<"stored" | "reader" | undefined> {
  const [name, ...others] = plannedSources(plan);
  if (name === undefined || others.length > 0) return undefined;
  const { packed } = model.weight(name);
  if (packed === undefined) return undefined;
  const { facts, layout } = await packed.examine();
  if (facts?.rounding === "f16") return "stored";
  return "scale" in layout && layout.scale === "F16" ? "reader" : undefined;
}
