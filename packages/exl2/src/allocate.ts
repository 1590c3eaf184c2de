import { UsageError } from "@requant/core";
import type { PackGuide } from "@requant/core/format";
import { actOrderFactor, allocateSizes, sizeRange, squaredOutput } from "@requant/core/solve";
import { type QuantizeExl2Options, quantizeExl2 } from "./quantize.ts";
import { exl2Recipes, recipeBits } from "./recipes.ts";

/** One weight that takes part in an allocation. */
export interface Exl2Candidate {
  readonly rows: number;
  readonly columns: number;
  /** What each of `exl2Recipes` costs in this weight; the costs of all weights are added. */
  readonly costs: readonly number[];
}

/** What the recipes do to one weight. */
export interface Exl2Measurement {
  /** For each of `exl2Recipes` the squared error. */
  readonly errors: readonly number[];
  /** What the errors are compared with: the same sum for the weight itself. */
  readonly energy: number;
  /** The mean square of the layer's output, summed over its rows; undefined where nothing is known of its inputs. */
  readonly output: number | undefined;
}

/** Rows that stand for a whole weight when errors are measured. */
const SAMPLE_ROWS = 48;

/** Rows of a weight that `measureRecipes` needs: evenly spaced, all of them when there are few. */
export function sampleRows(rows: number): number[] {
  const count = Math.min(rows, SAMPLE_ROWS);
  return Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count));
}

/**
 * The squared error of a weight of `rows` rows under each of `exl2Recipes`, measured on the rows of `sampleRows`. With
 * statistics it is that of the layer's output, after error feedback. With importance alone it is that of the weights, each
 * times the importance of its column. Without either, all columns count alike.
 */
export function measureRecipes(
  sample: Float32Array,
  rows: number,
  columns: number,
  guide: PackGuide = {},
): Exl2Measurement {
  const count = sample.length / columns;
  const options = guidedOptions(guide);
  const energy = energyOf(sample, columns, guide, options);
  const share = rows / count;
  // only the errors matter
  const codes = new Uint8Array(sample.length);
  const errors = exl2Recipes.map((recipe) =>
    energy === 0 ? 0 : quantizeExl2(sample, count, columns, recipe, { ...options, codes }).error * share,
  );
  const isGuided = options.factor !== undefined || options.importance !== undefined;
  return { errors, energy: energy * share, output: isGuided ? energy * share : undefined };
}

/** What guides a weight: statistics, or the importance of columns where there are none. */
export function guidedOptions({ statistics, importance }: PackGuide): QuantizeExl2Options {
  const factor = statistics === undefined ? undefined : actOrderFactor(statistics);
  return factor === undefined ? { importance } : { factor };
}

function energyOf(
  sample: Float32Array,
  columns: number,
  { statistics }: PackGuide,
  { factor, importance }: QuantizeExl2Options,
): number {
  if (factor !== undefined && statistics !== undefined) {
    return squaredOutput(sample, statistics);
  }
  let energy = 0;
  for (let i = 0; i < sample.length; i++) energy += (importance?.[i % columns] ?? 1) * sample[i]! ** 2;
  return energy;
}

/**
 * A recipe for each weight, so that all stored bits together are at most `bitsPerWeight` on average and the costs together
 * are as small as that allows.
 * @returns indices into `exl2Recipes`
 * @throws UsageError when even the cheapest recipes take more
 */
export function allocateExl2(weights: readonly Exl2Candidate[], bitsPerWeight: number): number[] {
  const choices = weights.map(({ rows, columns, costs }) =>
    exl2Recipes.map((recipe, index) => ({
      size: recipeBits(recipe, rows, columns),
      cost: costs[index] ?? 0,
    })),
  );
  const total = weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const { smallest } = sizeRange(choices);
  if (smallest > total * bitsPerWeight) {
    throw new UsageError(
      `${bitsPerWeight} bits per weight are not possible; the smallest mix takes ${(smallest / total).toFixed(2)}.`,
    );
  }
  return allocateSizes(choices, total * bitsPerWeight, 1).chosen;
}
