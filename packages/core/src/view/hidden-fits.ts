/** The fits of many groups in one array: a tensor has millions of groups. */
import type { GroupFit } from "./hidden-step.ts";

/** Numbers of each group: how it fits, scale, smallest and largest level, floats that are not 0. A kernel writes them, too. */
export const FIT_LENGTH = 5;

/** The first of these numbers. */
export const HOW = {
  /** The kernel leaves the group to the reference. */
  left: 0,
  exact: 1,
  rounded: 2,
} as const;

export function writeFit(
  fits: Float64Array,
  index: number,
  { scale, min, max, exact, nonzero }: GroupFit,
): void {
  const at = FIT_LENGTH * index;
  fits[at] = exact ? HOW.exact : HOW.rounded;
  fits[at + 1] = scale;
  fits[at + 2] = min;
  fits[at + 3] = max;
  fits[at + 4] = nonzero;
}

export function readFit(fits: Float64Array, index: number): GroupFit {
  const at = FIT_LENGTH * index;
  return {
    exact: fits[at] === HOW.exact,
    scale: fits[at + 1]!,
    min: fits[at + 2]!,
    max: fits[at + 3]!,
    nonzero: fits[at + 4]!,
  };
}
