/** The SIMD twin of `order.ts`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import {
  type KernelModule,
  kernelAddress,
  kernelModule,
  rectangle,
  SCRATCH_BYTE_LENGTH,
} from "@requant/core/kernels";
import { wasm } from "./generated/kernels.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** Words of `order.ts`: `lines` of `width` words each, of which those of features `[start, end)` are meant. */
export interface GemmWords {
  readonly words: Uint32Array;
  readonly lines: number;
  readonly width: number;
  readonly start: number;
  readonly end: number;
}

/** Lines and features, from the first on, that a kernel did. */
export interface GemmPart {
  readonly lines: number;
  readonly features: number;
}

const NOTHING: GemmPart = { lines: 0, features: 0 };

/** Four words at a time, of sixteen lines. Each features' fields follow each other, `step` from one to the next. */
export function unpackGemmInKernel(gemm: GemmWords, fields: Uint8Array, step: number): GemmPart {
  return inTiles("unpackGemm", gemm, fields, step);
}

/** The reverse; nothing is done when a field is above 15: the loop that checks each says which. */
export function packGemmInKernel(gemm: GemmWords, fields: Uint8Array, step: number): GemmPart {
  return inTiles("packGemm", gemm, fields, step);
}

function inTiles(
  name: "unpackGemm" | "packGemm",
  { words, lines, width, start, end }: GemmWords,
  fields: Uint8Array,
  step: number,
): GemmPart {
  const lineCount = lines - (lines % 16);
  const wordCount = Math.floor((end - start) / 8);
  const wordsHere = wordCount - (wordCount % 4);
  const kernel = kernels.kernel(name);
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
      seen |= kernel(w.address, w.step, linesOf, wordsOf, f.address, f.step);
      (packs ? w : f).save();
    }
  }
  return seen > 15 ? NOTHING : { lines: lineCount, features: 8 * wordsHere };
}
