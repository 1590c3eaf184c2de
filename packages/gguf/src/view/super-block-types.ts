/**
 * K-quants as views: read with the scale of the scales and the scale of each sub-block as two factors, and the minimums
 * as a bias (Q3_K and Q6_K: one factor, their product). Written from views with one scale per 256 weights: every
 * sub-block's own scale is set to 1 and its own minimum to the zero point, with d = dmin = scale: d × 1 × code − dmin ×
 * zero. Byte pictures: types/q4_k.ts and so on.
 */
import { tensorTypeByName } from "../constants.ts";
import { unpackMin, unpackScale } from "../types/affine-super-block.ts";
import { readHalf, writeHalf } from "../types/half-field.ts";
import { packTwoBitPlanes } from "../types/two-bit-planes.ts";
import type { CodePacking } from "./plain-types.ts";
import type { GgufViewType } from "./view-type.ts";

const SIZE = 256;

/** 128 bytes: byte 32g + l holds weight 64g + l low and 64g + 32 + l high. */
const nibblePairs: CodePacking = {
  pack(codes, from, out, at) {
    for (let g = 0; g < 4; g++) {
      for (let l = 0; l < 32; l++) {
        const c = from + 64 * g + l;
        out[at + 32 * g + l] = (codes[c]! & 15) | ((codes[c + 32]! & 15) << 4);
      }
    }
  },
  unpack(bytes, at, codes, to) {
    for (let g = 0; g < 4; g++) {
      for (let l = 0; l < 32; l++) {
        const byte = bytes[at + 32 * g + l]!;
        codes[to + 64 * g + l] = byte & 15;
        codes[to + 64 * g + 32 + l] = byte >> 4;
      }
    }
  },
};

/** 32 bytes: bit j of byte l is bit `bit` of weight 32j + l. */
function packBitPlane(codes: Uint8Array, from: number, bit: number, out: Uint8Array, at: number): void {
  for (let l = 0; l < 32; l++) {
    let byte = 0;
    for (let j = 0; j < 8; j++) byte |= ((codes[from + 32 * j + l]! >> bit) & 1) << j;
    out[at + l] = byte;
  }
}

function unpackBitPlane(bytes: Uint8Array, at: number, bit: number, codes: Uint8Array, to: number): void {
  for (let i = 0; i < SIZE; i++) {
    codes[to + i] = codes[to + i]! | (((bytes[at + (i & 31)]! >> (i >> 5)) & 1) << bit);
  }
}

function unpackTwoBitPlanes(bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void {
  for (let i = 0; i < SIZE; i++) {
    codes[to + i] = (bytes[at + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
  }
}

/** Q4_K and Q5_K: d, dmin, eight six-bit scales and minimums, codes. */
function affineType(name: string, maxCode: number, codesAt: number, packing: CodePacking): GgufViewType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: {
      name,
      blockSize: 32,
      scaleBlockSize: SIZE,
      shortLastBlock: false,
      codes: { kind: "affine", maxCode, minZero: 0, maxZero: 63 },
      scale: "F16",
      roundsToHalf: false,
    },
    packBlock({ codes, scales, zeros }, from, group, out, at) {
      const scale = scales[group]!;
      writeHalf(out, at, scale);
      writeHalf(out, at + 2, scale);
      for (let j = 0; j < 4; j++) {
        const low = zeros[group + j]!;
        const high = zeros[group + j + 4]!;
        out[at + 4 + j] = 1;
        out[at + 8 + j] = low | ((high >> 4) << 6);
        out[at + 12 + j] = 1 | ((high & 15) << 4);
      }
      packing.pack(codes, from, out, at + codesAt);
    },
    view: {
      levels: { zero: 0 },
      maxCode,
      factorSizes: [SIZE, 32],
      biasSize: 32,
      unpackBlock(bytes, at, { codes, factors, biases }, block) {
        packing.unpack(bytes, at + codesAt, codes, block * SIZE);
        factors[0]![block] = readHalf(bytes, at);
        const dmin = readHalf(bytes, at + 2);
        for (let j = 0; j < 8; j++) {
          factors[1]![8 * block + j] = unpackScale(bytes, at + 4, j);
          biases[8 * block + j] = -dmin * unpackMin(bytes, at + 4, j);
        }
      },
      packCodes: (bytes, at, codes, from) => packing.pack(codes, from, bytes, at + codesAt),
    },
  };
}

export const viewQ4_K: GgufViewType = /* @__PURE__ */ affineType("Q4_K", 15, 16, nibblePairs);

export const viewQ5_K: GgufViewType = /* @__PURE__ */ affineType("Q5_K", 31, 16, {
  pack(codes, from, out, at) {
    packBitPlane(codes, from, 4, out, at);
    nibblePairs.pack(codes, from, out, at + 32);
  },
  unpack(bytes, at, codes, to) {
    nibblePairs.unpack(bytes, at + 32, codes, to);
    unpackBitPlane(bytes, at, 4, codes, to);
  },
});

const q2_k = /* @__PURE__ */ tensorTypeByName("Q2_K");
export const viewQ2_K: GgufViewType = {
  name: "Q2_K",
  blockSize: SIZE,
  blockByteLength: q2_k.blockByteLength,
  requirement: {
    name: "Q2_K",
    blockSize: 16,
    scaleBlockSize: SIZE,
    shortLastBlock: false,
    codes: { kind: "affine", maxCode: 3, minZero: 0, maxZero: 15 },
    scale: "F16",
    roundsToHalf: false,
  },
  packBlock({ codes, scales, zeros }, from, group, out, at) {
    const scale = scales[group]!;
    for (let j = 0; j < 16; j++) out[at + j] = 1 | (zeros[group + j]! << 4);
    packTwoBitPlanes(codes.subarray(from, from + SIZE), out, at + 16);
    writeHalf(out, at + 80, scale);
    writeHalf(out, at + 82, scale);
  },
  view: {
    levels: { zero: 0 },
    maxCode: 3,
    factorSizes: [SIZE, 16],
    biasSize: 16,
    unpackBlock(bytes, at, { codes, factors, biases }, block) {
      unpackTwoBitPlanes(bytes, at + 16, codes, block * SIZE);
      factors[0]![block] = readHalf(bytes, at + 80);
      const dmin = readHalf(bytes, at + 82);
      for (let j = 0; j < 16; j++) {
        const byte = bytes[at + j]!;
        factors[1]![16 * block + j] = byte & 15;
        biases[16 * block + j] = -dmin * (byte >> 4);
      }
    },
    packCodes: (bytes, at, codes, from) =>
      packTwoBitPlanes(codes.subarray(from, from + SIZE), bytes, at + 16),
  },
};

/** Q3_K and Q6_K: sub-blocks of 16 with signed scales, codes around a fixed zero. */
function signedType(
  name: string,
  min: number,
  max: number,
  scaleAt: number,
  packing: CodePacking & {
    packUnitScales(out: Uint8Array, at: number): void;
    subScale(bytes: Uint8Array, at: number, j: number): number;
  },
): GgufViewType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: {
      name,
      blockSize: SIZE,
      shortLastBlock: false,
      codes: { kind: "signed", min, max },
      scale: "F16",
      roundsToHalf: false,
    },
    packBlock({ codes, scales }, from, group, out, at) {
      const scale = scales[group]!;
      packing.pack(codes, from, out, at);
      packing.packUnitScales(out, at);
      writeHalf(out, at + scaleAt, scale);
    },
    view: {
      levels: { zero: -min },
      maxCode: max - min,
      factorSizes: [16],
      unpackBlock(bytes, at, { codes, factors }, block) {
        packing.unpack(bytes, at, codes, block * SIZE);
        const d = readHalf(bytes, at + scaleAt);
        for (let j = 0; j < 16; j++) factors[0]![16 * block + j] = d * packing.subScale(bytes, at, j);
      },
      packCodes: (bytes, at, codes, from) => packing.pack(codes, from, bytes, at),
    },
  };
}

export const viewQ3_K: GgufViewType = /* @__PURE__ */ signedType("Q3_K", -4, 3, 108, {
  pack(codes, from, out, at) {
    packBitPlane(codes, from, 2, out, at);
    packTwoBitPlanes(codes.subarray(from, from + SIZE), out, at + 32);
  },
  unpack(bytes, at, codes, to) {
    unpackTwoBitPlanes(bytes, at + 32, codes, to);
    unpackBitPlane(bytes, at, 2, codes, to);
  },
  packUnitScales(out, at) {
    // each scale field is 33, for 1: low nibbles 1, high two bits 2
    out.fill(0x11, at + 96, at + 104);
    out.fill(0xaa, at + 104, at + 108);
  },
  subScale(bytes, at, j) {
    const low = (bytes[at + 96 + (j & 7)]! >> (j & 8 ? 4 : 0)) & 15;
    const high = (bytes[at + 104 + (j & 3)]! >> (2 * (j >> 2))) & 3;
    return (low | (high << 4)) - 32;
  },
});

export const viewQ6_K: GgufViewType = /* @__PURE__ */ signedType("Q6_K", -32, 31, 208, {
  pack(codes, from, out, at) {
    for (let h = 0; h < 2; h++) {
      for (let l = 0; l < 64; l++) {
        const c = from + 128 * h + l;
        out[at + 64 * h + l] = (codes[c]! & 15) | ((codes[c + 64]! & 15) << 4);
      }
      for (let l = 0; l < 32; l++) {
        const c = from + 128 * h + l;
        out[at + 128 + 32 * h + l] =
          (codes[c]! >> 4) |
          ((codes[c + 32]! >> 4) << 2) |
          ((codes[c + 64]! >> 4) << 4) |
          ((codes[c + 96]! >> 4) << 6);
      }
    }
  },
  unpack(bytes, at, codes, to) {
    for (let i = 0; i < SIZE; i++) {
      const h = i >> 7;
      const low = (bytes[at + 64 * h + (i & 63)]! >> (i & 64 ? 4 : 0)) & 15;
      const high = (bytes[at + 128 + 32 * h + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
      codes[to + i] = low | (high << 4);
    }
  },
  packUnitScales(out, at) {
    out.fill(1, at + 192, at + 208);
  },
  subScale: (bytes, at, j) => (bytes[at + 192 + j]! << 24) >> 24,
});
