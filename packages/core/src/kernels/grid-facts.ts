/** The SIMD twin of what `grid-facts.ts` finds out about scales and zero points. */
import { largest, smallest } from "../extremes.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";

/** What scales and zero points show, whatever columns they belong to: some of `ViewFacts`. */
export interface ParameterFacts {
  readonly minZero: number;
  readonly maxZero: number;
  readonly hasNegativeScales: boolean;
  readonly scalesAreHalf: boolean;
  readonly scalesAreBfloat: boolean;
  readonly offsetsAreHalf: boolean;
}

/** What the kernel says, bit by bit. */
const NOT_FINITE = 1;
const NEGATIVE = 2;
const NOT_HALF = 4;
const NOT_BFLOAT = 8;
const OFFSET_NOT_HALF = 16;

/** Numbers that are looked at together, eight at a time. */
const STEP = SCRATCH_BYTE_LENGTH / 4;

/** Undefined where there is no kernel, or where the numbers need a closer look. */
export function parameterFactsInKernel(scales: Float32Array, zeros: Int16Array): ParameterFacts | undefined {
  const kernel = coreKernels.kernel("parameterFacts");
  const length = scales.length - (scales.length % 8);
  // the rest would be looked at one by one
  if (kernel === undefined || length === 0 || length !== scales.length || zeros.length !== length)
    return undefined;
  const { buffer } = kernelMemory();
  const [scalesAt, zerosAt, rangeAt] = [scratchOffset(0), scratchOffset(1), scratchOffset(2)];
  const range = new Int16Array(buffer, rangeAt, 16);
  range.fill(zeros[0]!);
  let found = 0;
  for (let start = 0; start < length; start += STEP) {
    const end = Math.min(start + STEP, length);
    new Float32Array(buffer, scalesAt, end - start).set(scales.subarray(start, end));
    new Int16Array(buffer, zerosAt, end - start).set(zeros.subarray(start, end));
    found |= kernel(scalesAt, zerosAt, end - start, rangeAt);
  }
  // a message names the scale; a product with a scale that is no f16 may be inexact in f32
  if ((found & (NOT_FINITE | NOT_HALF)) !== 0) return undefined;
  return {
    minZero: smallest(range.subarray(0, 8)) ?? 0,
    maxZero: largest(range.subarray(8)) ?? 0,
    hasNegativeScales: (found & NEGATIVE) !== 0,
    scalesAreHalf: true,
    scalesAreBfloat: (found & NOT_BFLOAT) === 0,
    offsetsAreHalf: (found & OFFSET_NOT_HALF) === 0,
  };
}
