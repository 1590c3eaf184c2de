/** Blocks of three values: TQ1_0 and TQ2_0. Byte pictures: types/tq1_0.ts, types/tq2_0.ts. */
import { tensorTypeByName } from "../constants.ts";
import { readHalf, writeHalf } from "../types/half-field.ts";
import type { CodePacking } from "./plain-types.ts";
import type { GgufViewType } from "./view-type.ts";

const BLOCK = 256;

/** Codes, then d: value = d × (code − 1). `maxCode`: the largest code that bytes can hold. */
function ternaryType(name: string, maxCode: number, packing: CodePacking): GgufViewType {
  const { blockSize, blockByteLength } = tensorTypeByName(name);
  const scaleAt = blockByteLength - 2;
  return {
    name,
    blockSize,
    blockByteLength,
    requirement: {
      name,
      blockSize,
      shortLastBlock: false,
      codes: { kind: "signed", min: -1, max: 1 },
      scale: "F16",
      roundsToHalf: false,
    },
    packBlock({ codes, scales }, from, group, out, at) {
      packing.pack(codes, from, out, at);
      writeHalf(out, at + scaleAt, scales[group]!);
    },
    view: {
      levels: { zero: 1 },
      maxCode,
      factorSizes: [blockSize],
      unpackBlock(bytes, at, { codes, factors }, block) {
        factors[0]![block] = readHalf(bytes, at + scaleAt);
        packing.unpack(bytes, at, codes, block * blockSize);
      },
      packCodes: (bytes, at, codes, from) => packing.pack(codes, from, bytes, at),
    },
  };
}

/** Four codes a byte, 32 weights apart. */
const twoBitPlanes: CodePacking = {
  pack(codes, from, out, at) {
    for (let byte = 0; byte < BLOCK / 4; byte++) {
      const first = from + 128 * (byte >> 5) + (byte & 31);
      out[at + byte] =
        codes[first]! | (codes[first + 32]! << 2) | (codes[first + 64]! << 4) | (codes[first + 96]! << 6);
    }
  },
  unpack(bytes, at, codes, to) {
    for (let i = 0; i < BLOCK; i++) {
      codes[to + i] = (bytes[at + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
    }
  },
};

/** Bytes of five trits each that are `width` weights apart; those of the last part hold four, and a zero. */
const TRIT_PARTS: readonly (readonly [width: number, count: number, byte: number, weight: number])[] = [
  [32, 5, 0, 0],
  [16, 5, 32, 160],
  [4, 4, 48, 240],
];

/** 3⁵: a byte is a fraction of this many parts, times 256, rounded up. */
const FRACTIONS = 243;

const trits: CodePacking = {
  pack(codes, from, out, at) {
    for (const [width, count, byte, weight] of TRIT_PARTS) {
      for (let l = 0; l < width; l++) {
        let packed = 0;
        for (let n = 0; n < 5; n++) {
          packed = packed * 3 + (n < count ? codes[from + weight + n * width + l]! : 0);
        }
        out[at + byte + l] = Math.ceil((packed * 256) / FRACTIONS);
      }
    }
  },
  unpack(bytes, at, codes, to) {
    for (const [width, count, byte, weight] of TRIT_PARTS) {
      for (let n = 0, power = 1; n < count; n++, power *= 3) {
        for (let l = 0; l < width; l++) {
          const fraction = (bytes[at + byte + l]! * power) & 255;
          codes[to + weight + n * width + l] = (fraction * 3) >> 8;
        }
      }
    }
  },
};

export const viewTQ1_0: GgufViewType = /* @__PURE__ */ ternaryType("TQ1_0", 2, trits);
export const viewTQ2_0: GgufViewType = /* @__PURE__ */ ternaryType("TQ2_0", 3, twoBitPlanes);
