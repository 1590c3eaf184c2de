/** Blocks of one scale: Q2_0, Q4_0, Q5_0, Q8_0, and Q4_1, Q5_1 with an offset. Byte pictures: types/q4_0.ts and so on. */
import { MAX_ZERO, type ViewRequirement } from "@requant/core/view";
import { tensorTypeByName } from "../constants.ts";
import { packFiveBitCodes } from "../types/five-bit-codes.ts";
import { readHalf, writeHalf } from "../types/half-field.ts";
import type { GgufViewType } from "./view-type.ts";

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
function signedType(name: string, min: number, max: number, packing: CodePacking): GgufViewType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: plainRequirement(name, blockSize, { kind: "signed", min, max }),
    packBlock({ codes, scales }, from, group, out, at) {
      writeHalf(out, at, scales[group]!);
      packing.pack(codes, from, out, at + 2);
    },
    view: {
      levels: { zero: -min },
      maxCode: max - min,
      factorSizes: [blockSize],
      unpackBlock(bytes, at, { codes, factors }, block) {
        factors[0]![block] = readHalf(bytes, at);
        packing.unpack(bytes, at + 2, codes, block * blockSize);
      },
      packCodes: (bytes, at, codes, from) => packing.pack(codes, from, bytes, at + 2),
    },
  };
}

/** d, m, then codes from 0 on: value = d × code + m. Where m is −d × zero, integers around a zero point. */
function offsetType(name: string, maxCode: number, packing: CodePacking): GgufViewType {
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
      bias: "F16",
    },
    packBlock({ codes, scales, zeros }, from, group, out, at) {
      const [scale, zero] = [scales[group]!, zeros[group]!];
      writeHalf(out, at, scale);
      // no −0: the decoder adds it to 0
      writeHalf(out, at + 2, zero === 0 ? 0 : -scale * zero);
      packing.pack(codes, from, out, at + 4);
    },
    packBiasedBlock({ codes, scales, biases }, from, group, out, at) {
      writeHalf(out, at, scales[group]!);
      writeHalf(out, at + 2, biases[group]!);
      packing.pack(codes, from, out, at + 4);
    },
    view: {
      levels: { zero: 0 },
      maxCode,
      factorSizes: [blockSize],
      biasSize: blockSize,
      unpackBlock(bytes, at, { codes, factors, biases }, block) {
        factors[0]![block] = readHalf(bytes, at);
        biases[block] = readHalf(bytes, at + 2);
        packing.unpack(bytes, at + 4, codes, block * blockSize);
      },
      packCodes: (bytes, at, codes, from) => packing.pack(codes, from, bytes, at + 4),
    },
  };
}

function plainRequirement(name: string, blockSize: number, codes: ViewRequirement["codes"]): ViewRequirement {
  return { name, blockSize, shortLastBlock: false, codes, scale: "F16", roundsToHalf: false };
}

export const viewQ2_0: GgufViewType = /* @__PURE__ */ signedType("Q2_0", -1, 2, twoBits);
export const viewQ4_0: GgufViewType = /* @__PURE__ */ signedType("Q4_0", -8, 7, nibbles);
export const viewQ5_0: GgufViewType = /* @__PURE__ */ signedType("Q5_0", -16, 15, fiveBits);
export const viewQ8_0: GgufViewType = /* @__PURE__ */ signedType("Q8_0", -128, 127, signedBytes);
export const viewQ4_1: GgufViewType = /* @__PURE__ */ offsetType("Q4_1", 15, nibbles);
export const viewQ5_1: GgufViewType = /* @__PURE__ */ offsetType("Q5_1", 31, fiveBits);
