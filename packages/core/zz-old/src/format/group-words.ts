/** Words and rules that targets with groups of columns share: "4bit", "128g", "sym". */
import type { ViewFacts } from "../view/facts.ts";
import type { WordSpec } from "./word-spec.ts";

/** `4bit`. */
export function bitsWord(least: number, most: number, preset = 4): WordSpec {
  const examples = Array.from({ length: most - least + 1 }, (_, index) => least + index);
  return {
    key: "bits",
    about: "Bits per code.",
    words: { kind: "number", suffix: "bit", least, most },
    default: preset,
    examples,
    search: "examples",
  };
}

/** `128g`, or `colg` (−1) for one group of all columns. */
export const groupSizeWord: WordSpec = {
  key: "groupSize",
  about: "Columns that share a scale; colg: all columns of a row.",
  words: { kind: "number", suffix: "g", least: 1, most: 999_999, named: { colg: -1 } },
  default: 128,
  examples: [32, 64, 128, -1],
  search: "source-groups",
};

/** `sym` or `asym`. */
export const symWord: WordSpec = {
  key: "sym",
  about: "sym: codes around a fixed middle; asym: each group has a zero point.",
  words: { kind: "choice", values: { sym: true, asym: false } },
  default: true,
  examples: [true, false],
  search: "examples",
};

/** "128g", or "colg" where all columns share a scale. */
export function groupWord(groupSize: number, columns: number): string {
  return groupSize === -1 || groupSize >= columns ? "colg" : `${groupSize}g`;
}

/**
 * True for weights whose groups no word of a target describes: act-order, groups of different sizes, and EXL2's groups,
 * which stand in no configuration. A format with g_idx keeps such groups.
 */
export function keepsOwnGroups({ groupSize, rounding }: Pick<ViewFacts, "groupSize" | "rounding">): boolean {
  return groupSize === undefined || rounding === "f16";
}

/** The scale type that holds every scale of a source; a type that more readers support comes first. */
export function scaleType(
  grids: readonly Pick<ViewFacts, "scalesAreHalf" | "scalesAreBfloat">[],
): "F16" | "BF16" | "F32" {
  if (grids.every(({ scalesAreHalf }) => scalesAreHalf)) return "F16";
  return grids.every(({ scalesAreBfloat }) => scalesAreBfloat) ? "BF16" : "F32";
}

/** Groups of a row. */
export function groupCountOf(columns: number, groupSize: number): number {
  return groupSize === -1 ? 1 : Math.ceil(columns / groupSize);
}

/** Columns per group for a number of groups: the claimed size where it gives that number. */
export function groupSizeByCount(columns: number, groupCount: number, claimed: number): number {
  if (claimed > 0 && Math.ceil(columns / claimed) === groupCount) return claimed;
  return groupCount <= 1 ? columns : Math.ceil(columns / groupCount);
}

/**
 * The group size that describes all weights: the requested size, or the size of a source whose own groups were kept; the
 * requested size, too, where no size describes all.
 */
export function describedGroupSize(
  packed: readonly { readonly layout: Readonly<Record<string, unknown>> }[],
  asked: number,
): number {
  const describes = (size: number): boolean =>
    packed.every(
      ({ layout }) => Number(layout["groupCount"]) === groupCountOf(Number(layout["columns"]), size),
    );
  return [asked, 16, 32, 64, 128, 256, 512, 1024].find(describes) ?? asked;
}
