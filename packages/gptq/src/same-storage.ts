/** When stored parts of one layout are the parts of another, so that they can be copied. */
import type { ViewFacts } from "@requant/core/view";
import type { GptqLayout } from "./codec.ts";
import type { GptqMarlinLayout } from "./marlin.ts";

export function sameMarlin(a: GptqMarlinLayout, b: GptqMarlinLayout): boolean {
  return a.rows === b.rows && a.columns === b.columns && a.groupCount === b.groupCount && a.scale === b.scale;
}

export function sameGroups(groupSize: number, { groupSize: asked, columns }: GptqLayout): boolean {
  return Math.min(groupSize, columns) === (asked === -1 ? columns : Math.min(asked, columns));
}

/** Where no zero point is 0 or 2^b, all ways to store it minus one give the same bytes. */
export function sameZeros(a: GptqLayout, b: GptqLayout, facts: ViewFacts): boolean {
  if (a.zeros === b.zeros) return true;
  const minusOne = a.zeros !== "stored" && b.zeros !== "stored";
  return minusOne && facts.minZero > 0 && facts.maxZero < 2 ** a.bits;
}
