/** How windows fall into slices, and slices into parts. Pure. */
import { UsageError } from "@requant/core";
import type { PartNumber } from "../../run/parts/part-work.ts";
import type { StatisticsPlanContent } from "./saved-statistics-plan.ts";

/** Slices where nothing else is asked for: as many machines can work at the same time. */
const DEFAULT_SLICES = 8;

/** @throws UsageError for more slices than there are windows */
export function sliceCount(wanted: number | undefined, windows: number): number {
  const slices = wanted ?? Math.min(DEFAULT_SLICES, windows);
  if (Number.isInteger(slices) && slices >= 1 && slices <= windows) return slices;
  throw new UsageError(`The ${windows} windows of the text cannot be cut into ${slices} slices.`, {
    hint: `Give a number from 1 to ${windows}.`,
  });
}

/** The windows of a slice, which is counted from 0. */
export function windowsOfSlice(
  { windows, slices }: Pick<StatisticsPlanContent, "windows" | "slices">,
  slice: number,
): { readonly start: number; readonly end: number } {
  return {
    start: Math.floor((slice * windows) / slices),
    end: Math.floor(((slice + 1) * windows) / slices),
  };
}

/** The slices of a part, counted from 0. A part may be empty. */
export function slicesOf({ part, count }: PartNumber, slices: number): number[] {
  const start = Math.floor(((part - 1) * slices) / count);
  const end = Math.floor((part * slices) / count);
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** The part that `slicesOf` gives a slice to. */
export function partOfSlice(slice: number, slices: number, count: number): number {
  return Math.ceil(((slice + 1) * count) / slices);
}
