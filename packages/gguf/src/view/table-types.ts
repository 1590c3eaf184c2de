/**
 * Types whose codes name levels of a table. MXFP4 and NVFP4 are also written from views of the same levels:
 * their codes are moved as they are.
 */
import { E2M1_VALUES, floatToE4m3, floatToE8m0 } from "@requant/core/numeric";
import type { ViewRequirement } from "@requant/core/view";
import { tensorTypeByName } from "../constants.ts";
import { E2M1_DOUBLED } from "../types/e2m1.ts";
import { readHalf } from "../types/half-field.ts";
import { NONLINEAR_VALUES } from "../types/iq/nonlinear.ts";
import { halfScaleOfE8m0 } from "../types/mxfp4.ts";
import { halfScaleOfE4m3 } from "../types/nvfp4.ts";
import type { BlockView, GgufViewSource, GgufViewType, TableCodes } from "./view-type.ts";

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

/** The reverse of `unpackNibbles`. */
function packNibbles(codes: Uint8Array, from: number, count: number, out: Uint8Array, at: number): void {
  for (let j = 0; j < count; j++) out[at + j] = codes[from + j]! | (codes[from + count + j]! << 4);
}

/** What a view must be for a type of E2M1 codes. */
function e2m1Requirement(
  name: string,
  requirement: Pick<ViewRequirement, "blockSize" | "scale" | "columnMultiple">,
): ViewRequirement {
  return {
    name,
    ...requirement,
    shortLastBlock: false,
    codes: { kind: "table", name: "E2M1", levels: E2M1_VALUES },
    roundsToHalf: false,
  };
}

type PackBlock = (view: TableCodes, from: number, group: number, out: Uint8Array, at: number) => void;

function writableType(
  name: string,
  requirement: ViewRequirement,
  view: BlockView,
  packBlock: PackBlock,
): GgufViewType {
  return { ...tableType(name, view), requirement, packBlock, packTableBlock: packBlock };
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
  packCodes: (bytes, at, codes, from) => packNibbles(codes, from, 16, bytes, at + 2),
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
  packCodes(bytes, at, codes, from) {
    for (let sub = 0; sub < 8; sub++) packNibbles(codes, from + 32 * sub, 16, bytes, at + 8 + 16 * sub);
  },
});

export const viewMXFP4: GgufViewType = /* @__PURE__ */ writableType(
  "MXFP4",
  /* @__PURE__ */ e2m1Requirement("MXFP4", { blockSize: 32, scale: "E8M0" }),
  {
    levels: E2M1,
    maxCode: 24,
    factorSizes: [32],
    unpackBlock(bytes, at, { codes, factors }, block) {
      factors[0]![block] = halfScaleOfE8m0(bytes[at]!);
      unpackNibbles(bytes, at + 1, 16, codes, 32 * block);
    },
    packCodes: (bytes, at, codes, from) => packNibbles(codes, from, 16, bytes, at + 1),
  },
  ({ codes, scales }, from, group, out, at) => {
    out[at] = floatToE8m0(scales[group]!) ?? 0;
    packNibbles(codes, from, 16, out, at + 1);
  },
);

export const viewNVFP4: GgufViewType = /* @__PURE__ */ writableType(
  "NVFP4",
  /* @__PURE__ */ e2m1Requirement("NVFP4", { blockSize: 16, scale: "E4M3", columnMultiple: 64 }),
  {
    levels: E2M1,
    maxCode: 24,
    factorSizes: [16],
    unpackBlock(bytes, at, { codes, factors }, block) {
      for (let sub = 0; sub < 4; sub++) {
        factors[0]![4 * block + sub] = halfScaleOfE4m3(bytes[at + sub]!);
        unpackNibbles(bytes, at + 4 + 8 * sub, 8, codes, 64 * block + 16 * sub);
      }
    },
    packCodes(bytes, at, codes, from) {
      for (let sub = 0; sub < 4; sub++) packNibbles(codes, from + 16 * sub, 8, bytes, at + 4 + 8 * sub);
    },
  },
  ({ codes, scales }, from, group, out, at) => {
    for (let sub = 0; sub < 4; sub++) {
      // no sign: a scale of −0 is 0
      out[at + sub] = floatToE4m3(scales[group + sub]!) & 0x7f;
      packNibbles(codes, from + 16 * sub, 8, out, at + 4 + 8 * sub);
    }
  },
);
