import { UsageError } from "@requant/core";
import { checkStatistics, type MeasuredLayer, squaredOutput } from "@requant/core/solve";
import { columnsPerGroup, type GroupRounding, roundGroup } from "./round-groups.ts";

/** The largest magnitude is lowered in steps of a twentieth, down to 11 of 20. */
const GRID = 20;
const STEPS = 10;

/**
 * AWQ's clipping: for each row and group the magnitude that weights are cut to before they are rounded, so that the part
 * of the output that the group makes changes least. Weights and statistics are those after scaling. AutoAWQ does not clip the layers for queries and
 * keys. Source: AutoAWQ, awq/quantize/quantizer.py (`_compute_best_clip`, which takes every n-th token, at most about 512).
 * @returns clips[rows, groups]
 */
export function searchClips(
  { values, rows, statistics }: MeasuredLayer,
  rounding: GroupRounding,
): Float32Array {
  checkStatistics(statistics);
  const { columns } = statistics;
  const size = columnsPerGroup(rounding, columns);
  if (columns % size !== 0 || values.length !== rows * columns) {
    throw new UsageError(`${values.length} values are not ${rows} rows of ${columns} in groups of ${size}.`);
  }
  const groupCount = columns / size;
  const clips = new Float32Array(rows * groupCount);
  const clipped = new Float32Array(size);
  const difference = new Float32Array(size);
  for (let at = 0; at < clips.length; at++) {
    const from = at * size;
    const start = (at % groupCount) * size;
    let largest = 0;
    for (let i = from; i < from + size; i++) largest = Math.max(largest, Math.abs(values[i]!));
    let least = Number.POSITIVE_INFINITY;
    clips[at] = largest;
    for (let step = 0; step < STEPS; step++) {
      const limit = Math.fround(largest * Math.fround(1 - step / GRID));
      clipTo(limit, values.subarray(from, from + size), clipped);
      roundGroup(clipped, 0, size, rounding.symmetric === true, difference, 0);
      for (let i = 0; i < size; i++) difference[i] = difference[i]! - values[from + i]!;
      const error = squaredOutput(difference, statistics, start, start + size);
      if (error < least) {
        least = error;
        clips[at] = limit;
      }
    }
  }
  return clips;
}

/** The weights, each group of each row cut to its clip. */
export function clippedWeights(values: Float32Array, clips: Float32Array): Float32Array {
  const size = values.length / clips.length;
  const out = new Float32Array(values.length);
  for (let at = 0; at < clips.length; at++) {
    const [from, end] = [at * size, (at + 1) * size];
    clipTo(clips[at]!, values.subarray(from, end), out.subarray(from, end));
  }
  return out;
}

function clipTo(limit: number, values: Float32Array, out: Float32Array): void {
  for (let i = 0; i < values.length; i++) out[i] = Math.max(-limit, Math.min(limit, values[i]!));
}
