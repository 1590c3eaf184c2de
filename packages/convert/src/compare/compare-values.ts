/** Compares the values of two weights, a few rows at a time. */
import { roundToHalf } from "@requant/core/view";
import { plannedSources, type WeightPlan } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { RowBand } from "../model/row-bands.ts";
import { sameBytes } from "../model/same-bytes-twin.ts";
import type { WeightBands } from "../model/weight-bands.ts";
import type { Comparison } from "../run/comparison.ts";
import { comparer } from "../run/comparison-twin.ts";

/** How values are compared. */
export interface CompareOptions {
  /** Both sides' values are rounded to f16 first. */
  readonly halves: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Two weights of as many rows of one length. */
export async function compareValues(
  a: WeightBands,
  b: WeightBands,
  { halves, signal }: CompareOptions,
): Promise<Comparison> {
  const comparison = comparer();
  for (const band of a.bands) {
    signal?.throwIfAborted();
    await a.read(band);
    await b.read(band);
    for (const rows of a.steps(band)) {
      const one = a.values(rows);
      const other = areStoredAlike(a, b, rows) ? one : b.values(rows);
      if (halves) for (const values of new Set([one, other])) roundToHalf(values);
      comparison.add(one, other);
    }
  }
  return comparison.result();
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
