/** ggml blocks whose codes are chosen by error feedback: the scales are those that the type's own search finds. */
import { feedbackCodes, type SolveFactor } from "@requant/core/solve";
import { blocksToView, viewSourceByName, viewToBlocks, viewTypeByName } from "@requant/gguf";
import { encoderOf } from "./encodings.ts";

/** The types whose codes can be chosen anew while their scales stay. */
const SOLVABLE: readonly string[] = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"];

export function isSolvable(type: string): boolean {
  return SOLVABLE.includes(type);
}

/** What solving needs beside the weights. */
export interface BlockGuide {
  readonly importance: Float32Array | undefined;
  readonly factor: SolveFactor;
}

/** Rows of one matrix as blocks. @throws UnsupportedError for a type that is not solvable */
export function solvedBlocks(
  type: string,
  values: Float32Array,
  rowLength: number,
  out: Uint8Array,
  { importance, factor }: BlockGuide,
): void {
  encoderOf(type).quantize(values, rowLength, out, importance);
  const target = viewTypeByName(type);
  const maxCode = viewSourceByName(type)?.view.maxCode ?? 0;
  const view = blocksToView(target, out, values.length / rowLength, rowLength);
  viewToBlocks(target, { ...view, codes: feedbackCodes(values, view, maxCode, factor) }, out);
}
