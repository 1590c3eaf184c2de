/** The words after the colon that linear targets share: "4bit", "128g", "sym". */

import type { ViewFacts } from "@requant/core/view";

export interface IntegerWords {
  readonly bits?: number;
  /** −1: one group per row. */
  readonly groupSize?: number;
  readonly sym?: boolean;
  /** Words that are none of these, in order. */
  readonly rest: readonly string[];
}

/** Undefined when a word is given twice. */
export function integerWords(tokens: readonly string[]): IntegerWords | undefined {
  const found: { bits?: number; groupSize?: number; sym?: boolean; rest: string[] } = { rest: [] };
  for (const token of tokens) {
    const bits = /^([2-8])bit$/.exec(token)?.[1];
    const group = /^(\d{1,6})g$/.exec(token)?.[1];
    if (bits !== undefined) {
      if (found.bits !== undefined) return undefined;
      found.bits = Number(bits);
    } else if (group !== undefined || token === "colg") {
      if (found.groupSize !== undefined || Number(group) === 0) return undefined;
      found.groupSize = group === undefined ? -1 : Number(group);
    } else if (token === "sym" || token === "asym") {
      if (found.sym !== undefined) return undefined;
      found.sym = token === "sym";
    } else found.rest.push(token);
  }
  return found;
}

/**
 * True for views whose groups the words of a target cannot say: act-order, groups of different sizes, and EXL2's, which no
 * configuration tells. A format with g_idx keeps them.
 */
export function keepsOwnGroups({ groupSize, rounding }: Pick<ViewFacts, "groupSize" | "rounding">): boolean {
  return groupSize === undefined || rounding === "f16";
}

/** The scale type that holds every scale of a source, the one of most readers first. */
export function scaleType(
  views: readonly { readonly scalesAreHalf: boolean; readonly scalesAreBfloat: boolean }[],
): "F16" | "BF16" | "F32" {
  if (views.every(({ scalesAreHalf }) => scalesAreHalf)) return "F16";
  return views.every(({ scalesAreBfloat }) => scalesAreBfloat) ? "BF16" : "F32";
}

/** Groups of a row. */
export function groupCountOf(columns: number, groupSize: number): number {
  return groupSize === -1 ? 1 : Math.ceil(columns / groupSize);
}

/**
 * The group size that describes all weights: the asked one, or that of a source whose own groups were kept. The asked one
 * as well where none does.
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
