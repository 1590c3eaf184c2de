/** All scales with which every float of a group is an integer, where some floats may be one of several. */
import type { Magnitudes, ScaleBounds } from "./hidden-step.ts";

/**
 * The ranges within bounds in which every magnitude is some integer times the scale, once that is rounded: in rising order,
 * apart from each other. A magnitude has few levels within the bounds, so it adds few ranges.
 */
export function possibleBounds(
  { low, high, length }: Pick<Magnitudes, "low" | "high" | "length">,
  bounds: ScaleBounds,
): readonly ScaleBounds[] {
  let ranges: readonly ScaleBounds[] = [bounds];
  for (let i = 0; i < length && ranges.length > 0; i++) ranges = withinLevels(ranges, low[i]!, high[i]!);
  return ranges;
}

/** The parts of ranges in which an integer times the scale lies between two numbers. */
function withinLevels(ranges: readonly ScaleBounds[], least: number, most: number): ScaleBounds[] {
  const parts: ScaleBounds[] = [];
  for (const range of ranges) {
    const last = Math.max(1, Math.ceil(least / range.high));
    for (let level = Math.floor(most / range.low); level >= last; level--) {
      const low = Math.max(range.low, least / level);
      const high = Math.min(range.high, most / level);
      const before = parts.at(-1);
      // either level will do where their ranges overlap
      if (before !== undefined && low <= before.high) before.high = Math.max(before.high, high);
      else if (low <= high) parts.push({ low, high });
    }
  }
  return parts;
}
