/** Blocks of one scale: Q2_0, Q4_0, Q5_0, Q8_0, and Q4_1, Q5_1 with an offset. Byte pictures: types/q4_0.ts and so on. */
import type { GridRequirement, Misfit } from "@requant/core/view";
import { tensorTypeByName } from "../constants.ts";
import { packFiveBitCodes } from "../types/five-bit-codes.ts";
import { readHalf, writeHalf } from "../types/half-field.ts";
import type { GgufGridType, GroupedCodes } from "./grid-type.ts";

/** Packs and unpacks the codes of one block, whose bytes begin at `at`. */
export interface CodePacking {
  pack(codes: Uint8Array, from: number, out: Uint8Array, at: number): void;
  unpack(bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void;
}

const nibbles: CodePacking = {
  pack(codes, from, out, at) {
    for (let j = 0; j < 16; j++) out[at + j] = codes[from + j]! | (codes[from + 16 + j]! << 4);
  },
  unpack(bytes, at, codes, to) {
    for (let j = 0; j < 16; j++) {
      codes[to + j] = bytes[at + j]! & 15;
      codes[to + 16 + j] = bytes[at + j]! >> 4;
    }
  },
};

const fiveBits: CodePacking = {
  pack(codes, from, out, at) {
    packFiveBitCodes(codes.subarray(from, from + 32), out, at);
  },
  unpack(bytes, at, codes, to) {
    nibbles.unpack(bytes, at + 4, codes, to);
    for (let j = 0; j < 32; j++) {
      codes[to + j] = codes[to + j]! | (((bytes[at + (j >> 3)]! >> (j & 7)) & 1) << 4);
    }
  },
};

const signedBytes: CodePacking = {
  pack(codes, from, out, at) {
    for (let j = 0; j < 32; j++) out[at + j] = codes[from + j]! ^ 128;
  },
  unpack(bytes, at, codes, to) {
    for (let j = 0; j < 32; j++) codes[to + j] = bytes[at + j]! ^ 128;
  },
};

const twoBits: CodePacking = {
  pack(codes, from, out, at) {
    for (let j = 0; j < 16; j++) {
      const c = from + 4 * j;
      out[at + j] = codes[c]! | (codes[c + 1]! << 2) | (codes[c + 2]! << 4) | (codes[c + 3]! << 6);
    }
  },
  unpack(bytes, at, codes, to) {
    for (let j = 0; j < 64; j++) codes[to + j] = (bytes[at + (j >> 2)]! >> (2 * (j & 3))) & 3;
  },
};

/** d, then codes around a fixed zero: value = d × (code + min). */
function signedType(name: string, min: number, max: number, packing: CodePacking): GgufGridType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: plainRequirement(name, blockSize, { kind: "signed", min, max }),
    groupSize: blockSize,
    packBlock({ codes, scales }, from, group, out, at) {
      const scale = scales[group]!;
      writeHalf(out, at, scale);
      packing.pack(codes, from, out, at + 2);
    },
    unpackBlock(bytes, at, { codes, scales, zeros }, to, group) {
      scales[group] = readHalf(bytes, at);
      zeros[group] = -min;
      packing.unpack(bytes, at + 2, codes, to);
      return undefined;
    },
  };
}

/** d, m, then codes from 0 on: value = d × code + m, a grid where m is −d × zero. */
function offsetType(name: string, maxCode: number, packing: CodePacking): GgufGridType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: {
      ...plainRequirement(name, blockSize, {
        kind: "affine",
        maxCode,
        minZero: -MAX_ZERO,
        maxZero: MAX_ZERO,
      }),
      offsetIsHalf: true,
    },
    groupSize: blockSize,
    packBlock({ codes, scales, zeros }, from, group, out, at) {
      const scale = scales[group]!;
      const zero = zeros[group]!;
      writeHalf(out, at, scale);
      // no −0: the decoder adds it to 0
      writeHalf(out, at + 2, zero === 0 ? 0 : -scale * zero);
      packing.pack(codes, from, out, at + 4);
    },
    unpackBlock(bytes, at, grid, to, group) {
      packing.unpack(bytes, at + 4, grid.codes, to);
      return affineGroup(name, readHalf(bytes, at), -readHalf(bytes, at + 2), grid, group);
    },
  };
}

/** Larger zero points would be no better than none: every weight of the block would be nearly the same. */
export const MAX_ZERO = 4096;

/** Scale and zero point of a group whose values are scale × code − offset. */
export function affineGroup(
  name: string,
  scale: number,
  offset: number,
  { scales, zeros }: GroupedCodes,
  group: number,
): Misfit | undefined {
  const zero = offset === 0 ? 0 : offset / scale;
  if (Number.isInteger(zero) && Math.abs(zero) <= MAX_ZERO) {
    scales[group] = scale;
    zeros[group] = zero;
    return undefined;
  }
  return {
    reason: `blocks of ${name} have minimums that are no whole multiples of their scale, so no integer zero point says the same`,
    hint: "A float type holds these values; quantizing them anew changes them.",
  };
}

function plainRequirement(name: string, blockSize: number, codes: GridRequirement["codes"]): GridRequirement {
  return { name, blockSize, shortLastBlock: false, codes, scale: "F16", roundsToHalf: false };
}

export const gridQ2_0: GgufGridType = /* @__PURE__ */ signedType("Q2_0", -1, 2, twoBits);
export const gridQ4_0: GgufGridType = /* @__PURE__ */ signedType("Q4_0", -8, 7, nibbles);
export const gridQ5_0: GgufGridType = /* @__PURE__ */ signedType("Q5_0", -16, 15, fiveBits);
export const gridQ8_0: GgufGridType = /* @__PURE__ */ signedType("Q8_0", -128, 127, signedBytes);
export const gridQ4_1: GgufGridType = /* @__PURE__ */ offsetType("Q4_1", 15, nibbles);
export const gridQ5_1: GgufGridType = /* @__PURE__ */ offsetType("Q5_1", 31, fiveBits);
