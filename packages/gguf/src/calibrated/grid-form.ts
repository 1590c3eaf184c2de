/** What a search for steps must know about a type, and how the steps that it found are written into a block. */
import { tensorTypeByName } from "../constants.ts";
import { writeHalf } from "../types/half-field.ts";
import { integerLevels, type Levels, nonlinearLevels } from "./levels.ts";

/** The steps of one block: value = d × scales[j] × level[code] − dmin × mins[j] in sub-block j. */
export interface BlockSteps {
  /** In f16. */
  d: number;
  /** In f16; of blocks of one scale, minus the offset. */
  dmin: number;
  readonly scales: Int32Array;
  readonly mins: Int32Array;
}

/** How a type stores its steps. */
export interface GridForm {
  readonly name: string;
  readonly levels: Levels;
  /** Weights of a sub-block. */
  readonly size: number;
  /** Sub-blocks of a block. */
  readonly count: number;
  /** The stored scale of a sub-block; [1, 1] where the block has only d. */
  readonly scaleRange: readonly [min: number, max: number];
  /** The largest stored minimum of a sub-block, which are from 0 on; "any": dmin alone, of any sign; 0: none. */
  readonly maxMin: number | "any";
  /** Writes the steps into the block that begins at `at`, whose codes stay. */
  write(bytes: Uint8Array, at: number, steps: BlockSteps): void;
}

/** d first, then the offset where there is one. */
function plainForm(name: string, levels: Levels, maxMin: "any" | 0 = 0): GridForm {
  return {
    name,
    levels,
    size: tensorTypeByName(name).blockSize,
    count: 1,
    scaleRange: [1, 1],
    maxMin,
    write(bytes, at, { d, dmin }) {
      writeHalf(bytes, at, d);
      if (maxMin === "any") writeHalf(bytes, at + 2, 0 - dmin);
    },
  };
}

function affineSuperBlockForm(name: string, maxCode: number): GridForm {
  return {
    name,
    levels: integerLevels(0, maxCode),
    size: 32,
    count: 8,
    scaleRange: [0, 63],
    maxMin: 63,
    write(bytes, at, { d, dmin, scales, mins }) {
      writeHalf(bytes, at, d);
      writeHalf(bytes, at + 2, dmin);
      packAffineScales(scales, mins, bytes, at + 4);
    },
  };
}

/** The 12 bytes of eight six-bit scales and minimums. Byte picture: types/affine-super-block.ts. */
function packAffineScales(
  scales: ArrayLike<number>,
  mins: ArrayLike<number>,
  bytes: Uint8Array,
  at: number,
): void {
  for (let j = 0; j < 4; j++) {
    const scale = scales[j + 4]!;
    const min = mins[j + 4]!;
    bytes[at + j] = scales[j]! | ((scale >> 4) << 6);
    bytes[at + 4 + j] = mins[j]! | ((min >> 4) << 6);
    bytes[at + 8 + j] = (scale & 15) | ((min & 15) << 4);
  }
}

const formQ2_K: GridForm = {
  name: "Q2_K",
  levels: /* @__PURE__ */ integerLevels(0, 3),
  size: 16,
  count: 16,
  scaleRange: [0, 15],
  maxMin: 15,
  write(bytes, at, { d, dmin, scales, mins }) {
    for (let j = 0; j < 16; j++) bytes[at + j] = scales[j]! | (mins[j]! << 4);
    writeHalf(bytes, at + 80, d);
    writeHalf(bytes, at + 82, dmin);
  },
};

const formQ3_K: GridForm = {
  name: "Q3_K",
  levels: /* @__PURE__ */ integerLevels(-4, 3),
  size: 16,
  count: 16,
  scaleRange: [-32, 31],
  maxMin: 0,
  write(bytes, at, { d, scales }) {
    bytes.fill(0, at + 96, at + 108);
    for (let j = 0; j < 16; j++) {
      const stored = scales[j]! + 32;
      bytes[at + 96 + (j & 7)]! |= (stored & 15) << (j & 8 ? 4 : 0);
      bytes[at + 104 + (j & 3)]! |= (stored >> 4) << (2 * (j >> 2));
    }
    writeHalf(bytes, at + 108, d);
  },
};

const formQ6_K: GridForm = {
  name: "Q6_K",
  levels: /* @__PURE__ */ integerLevels(-32, 31),
  size: 16,
  count: 16,
  scaleRange: [-128, 127],
  maxMin: 0,
  write(bytes, at, { d, scales }) {
    for (let j = 0; j < 16; j++) bytes[at + 192 + j] = scales[j]!;
    writeHalf(bytes, at + 208, d);
  },
};

const formIQ4_XS: GridForm = {
  name: "IQ4_XS",
  levels: /* @__PURE__ */ nonlinearLevels(),
  size: 32,
  count: 8,
  scaleRange: [-32, 31],
  maxMin: 0,
  write(bytes, at, { d, scales }) {
    bytes.fill(0, at + 2, at + 8);
    for (let j = 0; j < 8; j++) {
      const stored = scales[j]! + 32;
      bytes[at + 4 + (j >> 1)]! |= (stored & 15) << (4 * (j & 1));
      bytes[at + 2 + (j >> 2)]! |= (stored >> 4) << (2 * (j & 3));
    }
    writeHalf(bytes, at, d);
  },
};

/** Every type that calibrated codes can be written in. */
export const gridForms: readonly GridForm[] = [
  /* @__PURE__ */ plainForm("Q4_0", /* @__PURE__ */ integerLevels(-8, 7)),
  /* @__PURE__ */ plainForm("Q4_1", /* @__PURE__ */ integerLevels(0, 15), "any"),
  /* @__PURE__ */ plainForm("Q5_0", /* @__PURE__ */ integerLevels(-16, 15)),
  /* @__PURE__ */ plainForm("Q5_1", /* @__PURE__ */ integerLevels(0, 31), "any"),
  /* @__PURE__ */ plainForm("Q8_0", /* @__PURE__ */ integerLevels(-128, 127)),
  formQ2_K,
  formQ3_K,
  /* @__PURE__ */ affineSuperBlockForm("Q4_K", 15),
  /* @__PURE__ */ affineSuperBlockForm("Q5_K", 31),
  formQ6_K,
  /* @__PURE__ */ plainForm("IQ4_NL", /* @__PURE__ */ nonlinearLevels()),
  formIQ4_XS,
];
