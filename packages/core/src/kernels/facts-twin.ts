/** The SIMD twins of `viewFacts`, `groupedFacts` and `groupedRanges` in `view/facts.ts`, and of `view/table-facts.ts`. */

import type { ErrorPlace } from "../errors.ts";
import { largest, smallest } from "../extremes.ts";
import type { Float8Encoding } from "../numeric/float8.ts";
import * as reference from "../view/facts.ts";
import * as tables from "../view/table-facts.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";

/**
 * Facts of a view from its small parts; `maxCode` is the largest code its layout can store.
 * @throws FormatError when a scale is not finite
 */
export function viewFacts(
  view: reference.ViewParameters,
  maxCode: number,
  place: ErrorPlace = {},
): reference.ViewFacts {
  return reference.viewFacts(view, maxCode, place, parameterFacts);
}

/** As `viewFacts`. */
export function groupedFacts(
  parameters: reference.GroupedParameters,
  maxCode: number,
  place: ErrorPlace = {},
): reference.ViewFacts {
  return reference.groupedFacts(parameters, maxCode, place, parameterFacts);
}

/**
 * The facts that depend on the set of all scales and zero points, not on their columns. @throws FormatError when a scale
 * is not finite
 */
export function groupedRanges(
  parameters: reference.GroupedParameters,
  place: ErrorPlace = {},
): reference.ParameterFacts {
  return reference.groupedRanges(parameters, place, parameterFacts);
}

/** Of 8-bit floats; `scaleRows` consecutive rows have the same scales. */
export function float8Facts(
  encoding: Float8Encoding,
  parameters: tables.Scales,
  scaleType: reference.ScaleNumbers | undefined,
  scaleRows = 1,
): tables.LevelFacts {
  return tables.float8Facts(encoding, parameters, scaleType, scaleRows, parameterFacts);
}

/** Of 4-bit floats (E2M1). Counted in halves, the levels are the integers −12 to 12. */
export function e2m1Facts(
  parameters: tables.Scales,
  scaleType: reference.ScaleNumbers | undefined,
): tables.LevelFacts {
  return tables.e2m1Facts(parameters, scaleType, parameterFacts);
}

function parameterFacts(arrays: reference.ParameterArrays, place: ErrorPlace): reference.ParameterFacts {
  return factsInKernel(arrays) ?? reference.parameterFacts(arrays, place);
}

/** The bits of the kernel's result. */
const NOT_FINITE = 1;
const NEGATIVE = 2;
const NOT_HALF = 4;
const NOT_BFLOAT = 8;
const OFFSET_NOT_HALF = 16;

/** Eight smallest and eight largest zero points. */
const RANGE_BYTE_LENGTH = 32;

/** How many numbers one kernel call examines, eight at a time. */
const STEP = SCRATCH_BYTE_LENGTH / 4;

/** Undefined where there is no kernel, or where the reference must examine the numbers one by one. */
function factsInKernel(arrays: reference.ParameterArrays): reference.ParameterFacts | undefined {
  const kernel = coreKernels.kernel("parameterFacts");
  const widen = coreKernels.kernel("dequantizeF16");
  if (kernel === undefined || widen === undefined) return undefined;
  const { halves, onlyZero } = arrays;
  const scales = halves ?? arrays.scales;
  const zeros = onlyZero === undefined ? arrays.zeros : undefined;
  const { length } = scales;
  // only whole steps: the rest would be examined one by one
  if (length === 0 || length % 8 !== 0 || (zeros !== undefined && zeros.length !== length)) return undefined;
  const { buffer } = kernelMemory();
  const [scalesAt, zerosAt, rangeAt] = [scratchOffset(0), scratchOffset(1), scratchOffset(2)];
  const halvesAt = rangeAt + RANGE_BYTE_LENGTH;
  const range = new Int16Array(buffer, rangeAt, RANGE_BYTE_LENGTH / 2);
  range.fill(onlyZero ?? zeros![0]!);
  if (onlyZero !== undefined) new Int16Array(buffer, zerosAt, Math.min(STEP, length)).fill(onlyZero);
  let found = 0;
  for (let start = 0; start < length; start += STEP) {
    const end = Math.min(start + STEP, length);
    const count = end - start;
    if (halves === undefined) new Float32Array(buffer, scalesAt, count).set(scales.subarray(start, end));
    else {
      new Uint16Array(buffer, halvesAt, count).set(halves.subarray(start, end));
      widen(halvesAt, count, scalesAt);
    }
    if (zeros !== undefined) new Int16Array(buffer, zerosAt, count).set(zeros.subarray(start, end));
    found |= kernel(scalesAt, zerosAt, count, rangeAt);
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
