/** Types whose codes name levels of a table. Views are read from these types but not written to them. */
import { tensorTypeByName } from "../constants.ts";
import { E2M1_DOUBLED } from "../types/e2m1.ts";
import { readHalf } from "../types/half-field.ts";
import { NONLINEAR_VALUES } from "../types/iq/nonlinear.ts";
import { halfScaleOfE8m0 } from "../types/mxfp4.ts";
import { halfScaleOfE4m3 } from "../types/nvfp4.ts";
import type { BlockView, GgufViewSource } from "./view-type.ts";

function tableType(name: string, view: BlockView): GgufViewSource {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return { name, blockSize, blockByteLength, view };
}

/** `count` bytes: low nibbles are the first so many weights, high nibbles the next. */
function unpackNibbles(bytes: Uint8Array, at: number, count: number, codes: Uint8Array, to: number): void {
  for (let j = 0; j < count; j++) {
    codes[to + j] = bytes[at + j]! & 15;
    codes[to + count + j] = bytes[at + j]! >> 4;
  }
}

const NONLINEAR: Float32Array = /* @__PURE__ */ Float32Array.from(NONLINEAR_VALUES);
/** Twice the E2M1 values, so that the scale is half of the stored one: the scale of code 255 is too large for an f32. */
const E2M1: Float32Array = /* @__PURE__ */ Float32Array.from(E2M1_DOUBLED);

export const viewIQ4_NL: GgufViewSource = /* @__PURE__ */ tableType("IQ4_NL", {
  levels: NONLINEAR,
  maxCode: 240,
  factorSizes: [32],
  unpackBlock(bytes, at, { codes, factors }, block) {
    factors[0]![block] = readHalf(bytes, at);
    unpackNibbles(bytes, at + 2, 16, codes, 32 * block);
  },
});

export const viewIQ4_XS: GgufViewSource = /* @__PURE__ */ tableType("IQ4_XS", {
  levels: NONLINEAR,
  maxCode: 240,
  factorSizes: [256, 32],
  unpackBlock(bytes, at, { codes, factors }, block) {
    factors[0]![block] = readHalf(bytes, at);
    const high = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let sub = 0; sub < 8; sub++) {
      const low = (bytes[at + 4 + (sub >> 1)]! >> (4 * (sub & 1))) & 15;
      factors[1]![8 * block + sub] = (low | (((high >> (2 * sub)) & 3) << 4)) - 32;
      unpackNibbles(bytes, at + 8 + 16 * sub, 16, codes, 256 * block + 32 * sub);
    }
  },
});

export const viewMXFP4: GgufViewSource = /* @__PURE__ */ tableType("MXFP4", {
  levels: E2M1,
  maxCode: 24,
  factorSizes: [32],
  unpackBlock(bytes, at, { codes, factors }, block) {
    factors[0]![block] = halfScaleOfE8m0(bytes[at]!);
    unpackNibbles(bytes, at + 1, 16, codes, 32 * block);
  },
});

export const viewNVFP4: GgufViewSource = /* @__PURE__ */ tableType("NVFP4", {
  levels: E2M1,
  maxCode: 24,
  factorSizes: [16],
  unpackBlock(bytes, at, { codes, factors }, block) {
    for (let sub = 0; sub < 4; sub++) {
      factors[0]![4 * block + sub] = halfScaleOfE4m3(bytes[at + sub]!);
      unpackNibbles(bytes, at + 4 + 8 * sub, 8, codes, 64 * block + 16 * sub);
    }
  },
});
