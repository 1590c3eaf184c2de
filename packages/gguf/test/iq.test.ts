/**
 * The IQ types beyond `types.test.ts`: their grids, the lists of neighbours, and cases in which the reference's bytes
 * depend on a detail.
 */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IQ1_M, IQ1_S, IQ3_S } from "../src/index.ts";
import {
  buildCodebook,
  decodedGrid,
  EIGHT_OF_THREE,
  FOUR_OF_EIGHT,
  type GridShape,
  lazy,
} from "../src/types/iq/codebook.ts";
import * as grids from "../src/types/iq/grids.ts";
import {
  firstNearestOfEight,
  firstNearestOfFour,
  nearestOfEight,
  nearestOfFour,
} from "../src/types/iq/nearest.ts";
import { NONLINEAR_VALUES, nonlinearCode } from "../src/types/iq/nonlinear.ts";
import { EVEN_SIGN_BYTES, SIGNS } from "../src/types/iq/signs.ts";
import { sortPositions, ternaryCodebook } from "../src/types/iq/ternary.ts";

function sha256(data: Uint8Array | Uint16Array): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

/** Size, shape, distances per list, and SHA-256 of ggml's own table as little-endian u16 (src/ggml-quants.c). */
const tables: readonly (readonly [string, string, number, GridShape, number, string])[] = [
  [
    "kgrid_2bit_256",
    grids.IQ2_XXS_GRID,
    256,
    EIGHT_OF_THREE,
    2,
    "915952ebc4af8ddba8113583ca1316fc818843f7b825bbf1a25ae1c39bf0e16d",
  ],
  [
    "kgrid_2bit_512",
    grids.IQ2_XS_GRID,
    512,
    EIGHT_OF_THREE,
    2,
    "f66435966ca8d64e9e4a6e3c91e64afcf9015e700ec85962f527283ebae207b9",
  ],
  [
    "kgrid_2bit_1024",
    grids.IQ2_S_GRID,
    1024,
    EIGHT_OF_THREE,
    1,
    "e6e75e121b65e8afa5c1f92b71463cfbe217b83893f438acde22fd5db06a43f7",
  ],
  [
    "kgrid_1bit_2048",
    grids.IQ1_GRID,
    2048,
    EIGHT_OF_THREE,
    3,
    "e9ffebfc997ad6023063a667c0bf4eedd8ebf7f56b3da399cbc7d1b1f7ea52c6",
  ],
  [
    "kgrid_256",
    grids.IQ3_XXS_GRID,
    256,
    FOUR_OF_EIGHT,
    2,
    "c9678803c61b2210fbd8cbbb3f965a835409cd7d88a04d086d236261bd221d11",
  ],
  [
    "kgrid_512",
    grids.IQ3_S_GRID,
    512,
    FOUR_OF_EIGHT,
    3,
    "353274c58dd7d8dc5ee960dc8fc54ff9164eaf2b49206b841cd49415cf393f81",
  ],
];

function levelsOf(word: number, { dimensions, bitWidth }: GridShape): number[] {
  return Array.from({ length: dimensions }, (_, i) => (word >> (bitWidth * i)) & ((1 << bitWidth) - 1));
}

describe.each(tables)("%s", (_, gaps, size, shape, distanceCount, hash) => {
  const words = grids.unpackGrid(gaps);

  it("is ggml's table", () => {
    expect(words.length).toBe(size);
    expect(sha256(words)).toBe(hash);
  });

  it("decodes to the values of its levels", () => {
    const values = Array.from({ length: shape.levelCount }, (_, level) => 10 * level - 7);
    const decoded = decodedGrid(gaps, shape, values);
    for (const code of [0, 1, size >> 1, size - 1]) {
      expect([...decoded.subarray(code * shape.dimensions, (code + 1) * shape.dimensions)]).toEqual(
        levelsOf(words[code]!, shape).map((level) => values[level]),
      );
    }
  });

  it("has its own words, and for every other word the nearest ones in order of distance and code", () => {
    const { codes, neighbours } = buildCodebook(gaps, shape, distanceCount);
    expect([...words].map((word) => codes[word])).toEqual([...words.keys()]);
    const present = new Set(words);
    const level = fc.nat({ max: shape.levelCount - 1 });
    fc.assert(
      fc.property(fc.array(level, { minLength: shape.dimensions, maxLength: shape.dimensions }), (levels) => {
        const word = levels.reduce((sum, value, i) => sum | (value << (shape.bitWidth * i)), 0);
        if (present.has(word)) return;
        const sorted = [...words]
          .map((other, code) => ({
            other,
            code,
            distance: levelsOf(other, shape).reduce((sum, l, i) => sum + (l - levels[i]!) ** 2, 0),
          }))
          .sort((a, b) => a.distance - b.distance || a.code - b.code);
        const farthest = [...new Set(sorted.map(({ distance }) => distance))][distanceCount - 1]!;
        const offset = -1 - codes[word]!;
        expect([...neighbours.subarray(offset + 1, offset + 1 + neighbours[offset]!)]).toEqual(
          sorted.filter(({ distance }) => distance <= farthest).map(({ other }) => other),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe("codebooks", () => {
  it("are built when first needed, once", () => {
    let built = 0;
    const get = lazy(() => {
      built++;
      return {};
    });
    expect(built).toBe(0);
    expect(get()).toBe(get());
    expect(built).toBe(1);
    expect(ternaryCodebook()).toBe(ternaryCodebook());
  });
});

describe("the nearest group", () => {
  // Small integers make ties of every kind; the others, near ties.
  const number = fc.oneof(
    fc.integer({ min: -4, max: 12 }),
    fc.float({ min: -2, max: 16, noNaN: true }),
    fc.float({ min: Math.fround(-1e-38), max: Math.fround(1e-38), noNaN: true }),
  );
  const weight = fc.oneof(
    fc.constant(1),
    fc.integer({ min: 0, max: 3 }),
    fc.float({ min: 0, max: 4, noNaN: true }),
  );
  const scale = fc.oneof(fc.constant(1), fc.float({ min: Math.fround(1e-38), max: 2, noNaN: true }));
  const values = new Float32Array([1, 3, 5]);

  it.each(tables)("is the group by rounded sums (%s)", (_, gaps, __, shape, distanceCount) => {
    const codebook = buildCodebook(gaps, shape, distanceCount);
    const offsets = [...codebook.codes].filter((code) => code < 0).map((code) => -1 - code);
    const eights = fc.array(number, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(
        fc.nat({ max: offsets.length - 1 }),
        scale,
        eights,
        fc.array(weight, { minLength: 8, maxLength: 8 }),
        (list, d, x, w) => {
          const offset = offsets[list]!;
          const wanted = Float32Array.from(x);
          const weights = Float32Array.from(w);
          if (shape.dimensions === 8) {
            expect(nearestOfEight(codebook, offset, d, values, { values: wanted, weights }, 0)).toBe(
              firstNearestOfEight(codebook, offset, d, values, { values: wanted, weights }, 0),
            );
          } else {
            expect(nearestOfFour(codebook, offset, d, { values: wanted, weights }, 0)).toBe(
              firstNearestOfFour(codebook, offset, d, { values: wanted, weights }, 0),
            );
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("signs", () => {
  it("of a 7-bit code are even in number", () => {
    expect(EVEN_SIGN_BYTES.length).toBe(128);
    EVEN_SIGN_BYTES.forEach((byte, code) => {
      expect(byte & 127).toBe(code);
      const product = SIGNS.subarray(8 * byte, 8 * byte + 8).reduce((sign, next) => sign * next, 1);
      expect(product).toBe(1);
    });
  });
});

describe("nonlinear codes", () => {
  const nearest = (value: number): number => {
    let best = 0;
    for (let code = 1; code < 16; code++) {
      // The higher code wins a tie.
      if (Math.abs(NONLINEAR_VALUES[code]! - value) <= Math.abs(NONLINEAR_VALUES[best]! - value)) best = code;
    }
    return best;
  };

  it("are the nearest, on both sides of each border and on it", () => {
    const bits = new Int32Array(1);
    const float = new Float32Array(bits.buffer);
    for (let code = 0; code < 15; code++) {
      const border = (NONLINEAR_VALUES[code]! + NONLINEAR_VALUES[code + 1]!) / 2;
      for (const step of [-2, -1, 0, 1, 2]) {
        float[0] = border;
        bits[0]! += step;
        expect(nonlinearCode(float[0]), `${float[0]}`).toBe(nearest(float[0]));
      }
    }
  });

  it("are the nearest anywhere, and the first or last beyond the ends", () => {
    fc.assert(
      fc.property(fc.float({ min: -200, max: 200, noNaN: true }), (value) => {
        expect(nonlinearCode(value)).toBe(nearest(value));
      }),
    );
    expect(nonlinearCode(Number.POSITIVE_INFINITY)).toBe(15);
    expect(nonlinearCode(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(nonlinearCode(3e38)).toBe(15);
    expect(nonlinearCode(-3e38)).toBe(0);
  });
});

describe("sorted positions", () => {
  it("keep equal values in order, both zeros being equal", () => {
    const values = new Float32Array([9, 1, 0, -0, 1, -2, 1, -0]);
    const order = new Uint8Array(7);
    sortPositions(values, 1, 7, order);
    expect([...order]).toEqual([4, 1, 2, 6, 0, 3, 5]);
  });
});

/** Rows of 256 small integers, so that sub-blocks are full of ties and of all-zero stretches. */
function integerRows(rows: number): Float32Array {
  let state = 1;
  const values = new Float32Array(rows * 256);
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const stretch = i >> 5;
    values[i] = stretch % 3 === 1 ? 0 : ((state >> 16) % 7) - 3;
  }
  return values;
}

describe("bytes that depend on a detail (made by libggml-base 0.25.1)", () => {
  const values = integerRows(64);
  const importance = Float32Array.from({ length: 256 }, (_, i) => 1 + (i % 5));

  it.each([
    // ggml does not move on in IQ3_S's codes and signs past an all-zero sub-block.
    [IQ3_S, "plain", undefined, "b25d369cfe0226df66440f3621d6c25cee47ffb3cea422ff1762ef1a2743bfc2"],
    [IQ3_S, "imatrix", importance, "e664a7f50dd139bd81fcad8877de43ade1407d394a177eba576f9b504e3b3d2b"],
    // Ties between splits fall by the order of the sums, ties between values by the order of the sort.
    [IQ1_S, "imatrix", importance, "935219738e8fa41acbe7b414ef8729a249233464284aaa9ab9485bda5c6b2292"],
    [IQ1_M, "plain", undefined, "ad890382de5acccaa87c666668347fa56cf4ff93a6576e8541440ed08d5aa8cb"],
    [IQ1_M, "imatrix", importance, "6346994cf43c915ed0e94a37ad52fae3e60475aa715896aebe63f5a215b406e9"],
  ] as const)("$0.name $1", (codec, _, weights, hash) => {
    const out = new Uint8Array(64 * codec.blockByteLength);
    codec.quantize?.(values, 256, out, weights);
    expect(sha256(out)).toBe(hash);
  });
});
