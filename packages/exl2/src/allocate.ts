import { UsageError } from "@requant/core";
import { quantizeExl2 } from "./quantize.ts";
import { exl2Recipes, recipeBits, recipeGroups } from "./recipes.ts";
import { groupScales } from "./scales.ts";

/** One weight that takes part in an allocation. */
export interface Exl2Candidate {
  readonly rows: number;
  readonly columns: number;
  /** The squared error of the whole weight for each of `exl2Recipes`, as `recipeErrors` measures it. */
  readonly errors: readonly number[];
}

/** Rows that stand for a whole weight when errors are measured. */
const SAMPLE_ROWS = 48;

/** Rows of a weight that `recipeErrors` needs: evenly spaced, all of them when there are few. */
export function sampleRows(rows: number): number[] {
  const count = Math.min(rows, SAMPLE_ROWS);
  return Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count));
}

/**
 * Squared error of a weight under each of `exl2Recipes`, relative to its own energy and times its size, so that errors of
 * different weights can be added. `sample` holds the rows of `sampleRows`.
 */
export function recipeErrors(sample: Float32Array, rows: number, columns: number): number[] {
  const count = sample.length / columns;
  let energy = 0;
  for (const value of sample) energy += value * value;
  return exl2Recipes.map((recipe) => {
    if (energy === 0) return 0;
    const { codes, nibbles, maxScales, invperm } = quantizeExl2(sample, count, columns, recipe);
    let error = 0;
    let start = 0;
    const column = new Int32Array(columns);
    invperm.forEach((stored, k) => {
      column[stored] = k;
    });
    recipeGroups(recipe, columns).forEach(({ bits, rows: size }, group) => {
      const scales = groupScales(maxScales[group]!);
      for (let row = 0; row < count; row++) {
        const scale = scales[nibbles[group * count + row]!]!;
        for (let i = start; i < start + size; i++) {
          const value = sample[row * columns + column[i]!]!;
          error += (scale * (codes[row * columns + i]! - 2 ** (bits - 1)) - value) ** 2;
        }
      }
      start += size;
    });
    return (error / energy) * rows * columns;
  });
}

/**
 * A recipe for each weight, so that all stored bits together are at most `bitsPerWeight` on average. All weights begin
 * with the cheapest recipe; then the upgrade that removes the most error per bit is made, again and again, while it fits.
 * The rule looks at the weights alone; a rule on measured activations would be better.
 * @returns indices into `exl2Recipes`
 * @throws UsageError when even the cheapest recipes take more
 */
export function allocateExl2(weights: readonly Exl2Candidate[], bitsPerWeight: number): number[] {
  const bits = weights.map(({ rows, columns }) =>
    exl2Recipes.map((recipe) => recipeBits(recipe, rows, columns)),
  );
  const total = weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const chosen = weights.map(() => 0);
  let left = total * bitsPerWeight - bits.reduce((sum, options) => sum + options[0]!, 0);
  if (left < 0) {
    const least = (total * bitsPerWeight - left) / total;
    throw new UsageError(
      `${bitsPerWeight} bits per weight are not possible; the smallest mix takes ${least.toFixed(2)}.`,
    );
  }
  for (;;) {
    let best: { weight: number; recipe: number; rate: number; cost: number } | undefined;
    weights.forEach(({ errors }, weight) => {
      const now = chosen[weight]!;
      for (let recipe = now + 1; recipe < exl2Recipes.length; recipe++) {
        const cost = bits[weight]![recipe]! - bits[weight]![now]!;
        const gain = errors[now]! - errors[recipe]!;
        if (cost > left || gain <= 0) continue;
        const rate = cost <= 0 ? Infinity : gain / cost;
        if (best === undefined || rate > best.rate) best = { weight, recipe, rate, cost };
      }
    });
    if (best === undefined) return chosen;
    chosen[best.weight] = best.recipe;
    left -= best.cost;
  }
}
