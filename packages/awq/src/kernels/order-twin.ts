/** The SIMD twin of `order.ts`. */
import { descriptor, kernelAddress, rectangle, SCRATCH_BYTE_LENGTH } from "@requant/core/kernels";
import * as reference from "../order.ts";
import { awqKernels } from "./awq-kernels.ts";

/** The fields of the class `GemmTile` in assembly/order.ts. */
interface GemmTile {
  readonly words: number;
  readonly wordStep: number;
  readonly lines: number;
  readonly width: number;
  readonly fields: number;
  readonly step: number;
}

const placeGemmTile = /* @__PURE__ */ descriptor(
  ({ words, wordStep, lines, width, fields, step }: GemmTile) => [
    words,
    wordStep,
    lines,
    width,
    fields,
    step,
  ],
);

const NOTHING: reference.GemmPart = { lines: 0, features: 0 };

/** `words[k × width + c]` to codes of features `[start, end)`: `fields[(feature − start) × step + k]`. */
export function unpackGemm(gemm: reference.GemmWords, fields: Uint8Array, step: number): void {
  reference.unpackGemm(gemm, fields, step, inTiles("unpackGemm", gemm, fields, step));
}

/** The reverse; `start` and `end` are multiples of 8. @throws UsageError for a code above 15 */
export function packGemm(gemm: reference.GemmWords, fields: Uint8Array, step: number): void {
  reference.packGemm(gemm, fields, step, inTiles("packGemm", gemm, fields, step));
}

/**
 * Four words at a time, of sixteen lines. Each feature's fields follow each other, `step` from one to the next. When a
 * field to pack is above 15, the kernel does nothing; the reference then finds and names it.
 */
function inTiles(
  name: "unpackGemm" | "packGemm",
  { words, lines, width, start, end }: reference.GemmWords,
  fields: Uint8Array,
  step: number,
): reference.GemmPart {
  const lineCount = lines - (lines % 16);
  const wordCount = Math.floor((end - start) / 8);
  const wordsHere = wordCount - (wordCount % 4);
  const kernel = awqKernels.kernel(name);
  if (kernel === undefined || start % 8 !== 0 || lineCount * wordsHere === 0) return NOTHING;
  const packs = name === "packGemm";
  const isInside = kernelAddress(words) !== undefined && kernelAddress(fields) !== undefined;
  // eight fields a word: these need the most scratch memory
  const wordStep = isInside ? wordsHere : Math.min(wordsHere, 32);
  const most = kernelAddress(fields) === undefined ? SCRATCH_BYTE_LENGTH / 8 : SCRATCH_BYTE_LENGTH / 4;
  const lineStep = isInside ? lineCount : Math.min(lineCount, 16 * Math.floor(most / wordStep / 16));
  let seen = 0;
  for (let word = 0; word < wordsHere; word += wordStep) {
    const wordsOf = Math.min(wordStep, wordsHere - word);
    for (let line = 0; line < lineCount; line += lineStep) {
      const linesOf = Math.min(lineStep, lineCount - line);
      const first = line * width + start / 8 + word;
      const w = rectangle(words, { start: first, step: width, lines: linesOf, length: wordsOf }, 0);
      const firstField = 8 * word * step + line;
      const f = rectangle(fields, { start: firstField, step, lines: 8 * wordsOf, length: linesOf }, 1);
      (packs ? f : w).load();
      const tile = { words: w.address, wordStep: w.step, lines: linesOf, width: wordsOf };
      seen |= kernel(placeGemmTile({ ...tile, fields: f.address, step: f.step }));
      (packs ? w : f).save();
    }
  }
  return seen > 15 ? NOTHING : { lines: lineCount, features: 8 * wordsHere };
}
