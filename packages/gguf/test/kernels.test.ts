/**
 * Every SIMD kernel against its TypeScript codec, bit for bit: ordinary rows and unusual rows for every branch, whole
 * calls and single blocks, arrays inside and outside the kernels' memory, and canaries around each output.
 * REQUANT_SEED=<number> replays a run.
 */
import type { BlockCodec } from "@requant/core";
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, expect, it } from "vitest";
import {
  expectSame,
  floatsOf,
  guarded,
  randomNumbers,
  seed,
  withSwitch,
} from "../../../fixtures/guarded-memory.ts";
import { hasKernel, withKernels } from "../src/kernels/module.ts";
import * as references from "../src/types/codecs.ts";
import { ggmlTypes } from "../src/types/index.ts";
import { rowKinds, testImportance, testMatrix } from "./matrix.ts";

const columns = 1024;

/** Rows of ordinary weights of many sizes and shapes. */
function ordinaryRows(random: () => number, rows: number): Float32Array {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const spread = 2 ** (-20 + 25 * random());
    const shift = random() < 0.3 ? spread * (random() - 0.5) * 4 : 0;
    const heavy = random() < 0.3;
    for (let j = 0; j < columns; j++) {
      const gauss = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      values[row * columns + j] = (heavy ? gauss ** 3 : gauss) * spread + shift;
    }
  }
  return values;
}

const special: readonly ((random: () => number, j: number) => number)[] = [
  () => 0,
  () => -0,
  (random) => (random() < 0.5 ? 0 : -0),
  (random) => (random() < 0.5 ? 0 : random()),
  (random) => (random() < 0.5 ? -0 : -random()),
  (random) => (random() < 0.02 ? Number.NaN : random() - 0.5),
  (random) => (random() < 0.02 ? Number.POSITIVE_INFINITY : random() - 0.5),
  (random) => (random() < 0.02 ? Number.NEGATIVE_INFINITY : random() - 0.5),
  (random) =>
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, 0][Math.floor(random() * 5)] ?? 0,
  () => Number.NaN,
  (random) => (random() - 0.5) * 2 ** -126,
  (random) => (random() - 0.5) * 2 ** -140,
  (random) => (random() - 0.5) * 2 ** -148,
  (random) => (random() - 0.5) * 2 ** -50,
  (random) => (random() - 0.5) * 2 ** -60,
  (random) => (random() - 0.5) * 2 ** -66,
  (random) => (random() - 0.5) * 2 ** 16,
  (random) => (random() - 0.5) * 2 ** 20,
  (random) => (random() - 0.5) * 2 ** 100,
  (random) => (random() - 0.5) * 2 ** 128,
  (random) => (random() < 0.5 ? 1 : -1),
  (random) => Math.floor(random() * 16) - 8,
  (random) => (random() < 0.5 ? 1 : -1) * (2 * Math.floor(random() * 8) + 1),
  (random) => (Math.floor(random() * 256) - 128) / 127,
  (random) => (random() < 0.03 ? random() : 0),
  (random) => (random() < 0.03 ? random() - 0.5 : 1e-20),
  (random) => (random() - 0.5) * 2 ** Math.floor(random() * 80 - 40),
  (random) => (random() - 0.5) * 2 ** Math.floor(random() * 276 - 148),
  (_, j) => (j % 256 < 32 ? 1e-8 : 1) * (((j * 37) % 101) - 50),
  (_, j) => ((j * 7919) % 64) / 64,
  (_, j) => -((j * 7919) % 64) / 64,
  (_, j) => 5 + ((j * 7919) % 64) / 64,
  (_, j) => -5 - ((j * 7919) % 64) / 64,
];

function specialRows(random: () => number): Float32Array {
  return Float32Array.from(
    { length: special.length * columns },
    (_, i) => special[Math.floor(i / columns)]?.(random, i % columns) ?? 0,
  );
}

/** Bits of f32, all NaNs alike: an engine may choose a NaN's sign and payload. */
const comparable = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.map((value) => (Number.isNaN(value) ? Number.NaN : value)).buffer);

/**
 * The first byte of blocks that differs, or -1. The sign of a NaN scale or minimum may differ: JavaScript leaves it to the
 * engine, and Node and Chromium do not agree.
 */
function firstDifference(codec: BlockCodec, actual: Uint8Array, expected: Uint8Array): number {
  const isSignOfNaN = (i: number): boolean => {
    const inBlock = i % codec.blockByteLength;
    const isTop = codec.fields.some(
      ([offset, width, count]) =>
        width === 2 && inBlock > offset && inBlock < offset + 2 * count && (inBlock - offset) % 2 === 1,
    );
    const magnitude = ((expected[i]! & 0x7f) << 8) | expected[i - 1]!;
    return isTop && (actual[i]! ^ expected[i]!) === 0x80 && magnitude > 0x7c00;
  };
  return actual.findIndex((byte, i) => byte !== expected[i] && !isSignOfNaN(i));
}

function quantizeGuarded(
  codec: BlockCodec,
  values: Float32Array,
  rowLength: number,
  weights: Float32Array | undefined,
  inside: boolean,
): Uint8Array {
  const byteLength = (values.length / codec.blockSize) * codec.blockByteLength;
  const out = guarded(inside, byteLength);
  const input = guarded(inside, values.byteLength);
  floatsOf(input.bytes).set(values);
  codec.quantize?.(floatsOf(input.bytes), rowLength, out.bytes, weights);
  out.check();
  expectSame(
    input.bytes,
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    "the input was changed",
  );
  const result = out.bytes.slice();
  out.release();
  input.release();
  return result;
}

function dequantizeGuarded(codec: BlockCodec, bytes: Uint8Array, inside: boolean): Float32Array {
  const out = guarded(inside, (bytes.length / codec.blockByteLength) * codec.blockSize * 4);
  const input = guarded(inside, bytes.length + 1);
  // an odd address: blocks of a file have no alignment
  const odd = input.bytes.subarray(1);
  odd.set(bytes);
  codec.dequantize(odd, floatsOf(out.bytes));
  out.check();
  const result = floatsOf(out.bytes).slice();
  out.release();
  input.release();
  return result;
}

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`kernels (REQUANT_SEED=${seed})`, () => {
  const codecs: readonly BlockCodec[] = Object.values(references);
  for (const { name, codec: twin, importance } of ggmlTypes) {
    const codec = codecs.find((reference) => reference.name === name);
    if (codec === undefined || twin === undefined) continue;
    const random = randomNumbers(seed ^ Math.imul(name.length + 7, 0x9e3779b9));

    it.runIf(hasKernel(`dequantize${name}`))(`${name}: dequantizes as its codec does`, () => {
      const blocks = Math.ceil(20000 / codec.blockSize);
      for (const [inside, count] of [
        [true, blocks],
        [false, blocks],
        [true, 1],
        [false, 1],
        [true, 3],
        [false, 0],
      ] as const) {
        const bytes = Uint8Array.from({ length: count * codec.blockByteLength }, () => random() * 256);
        const expected = new Float32Array(count * codec.blockSize);
        codec.dequantize(bytes, expected);
        const actual = dequantizeGuarded(twin, bytes, inside);
        expectSame(comparable(actual), comparable(expected), `${count} blocks`);
      }
    });

    it.runIf(hasKernel(`dequantize${name}`))(`${name}: ordinary rows are left to no codec`, () => {
      const values = ordinaryRows(random, 4);
      let calls = 0;
      const counted = withKernels({
        ...codec,
        ...(codec.quantize && { quantize: () => void calls++ }),
      });
      const weights = testImportance(seed, columns);
      const out = new Uint8Array((values.length / codec.blockSize) * codec.blockByteLength);
      if (hasKernel(`quantize${name}`)) counted.quantize?.(values, columns, out);
      if (hasKernel(`quantizeWeighted${name}`)) counted.quantize?.(values, columns, out, weights);
      expect(calls).toBe(0);
    });

    it.runIf(hasKernel(`dequantize${name}`))(`${name}: switched off, the twin is its codec`, () => {
      const bytes = Uint8Array.from({ length: 3 * codec.blockByteLength }, () => random() * 256);
      const expected = new Float32Array(3 * codec.blockSize);
      const found = new Float32Array(3 * codec.blockSize);
      codec.dequantize(bytes, expected);
      withSwitch(false, () => twin.dequantize(bytes, found));
      expectSame(comparable(found), comparable(expected), "3 blocks");
    });

    const quantizes = hasKernel(`quantize${name}`) || hasKernel(`quantizeWeighted${name}`);
    it.runIf(quantizes)(`${name}: quantizes as its codec does`, () => {
      const weights = testImportance(seed, columns);
      const zeroWeights = weights.map((value, j) => (j % 5 === 0 || (j & 64) !== 0 ? 0 : value));
      const wideWeights = weights.map(() => 2 ** (60 * random() - 30));
      const sets: readonly (readonly [string, Float32Array])[] = [
        ["kinds", testMatrix(seed, rowKinds.length, columns)],
        ["ordinary", ordinaryRows(random, 6)],
        ["special", specialRows(random)],
      ];
      for (const [set, values] of sets) {
        for (const [kind, importances] of [
          ["plain", undefined],
          ["imatrix", weights],
          ["imatrix with zeros", zeroWeights],
          ["imatrix of all sizes", wideWeights],
        ] as const) {
          if (importances !== undefined && importance !== "ignored" && !hasKernel(`quantizeWeighted${name}`))
            continue;
          if (importances === undefined && importance === "required") continue;
          const expected: Uint8Array = new Uint8Array(
            (values.length / codec.blockSize) * codec.blockByteLength,
          );
          codec.quantize?.(values, columns, expected, importances);
          for (const inside of [true, false]) {
            const actual = quantizeGuarded(twin, values, columns, importances, inside);
            const at = firstDifference(codec, actual, expected);
            if (at >= 0) {
              const block = Math.floor(at / codec.blockByteLength);
              const row = Math.floor((block * codec.blockSize) / columns);
              expect.fail(
                `${set} row ${row} (${set === "kinds" ? rowKinds[row]?.[0] : (special[row]?.toString() ?? "")}), ${kind}, ` +
                  `block ${block % (columns / codec.blockSize)}, byte ${at % codec.blockByteLength}: ` +
                  `${actual[at]}, not ${expected[at]} (REQUANT_SEED=${seed})`,
              );
            }
          }
          // row by row, and short rows
          const short = codec.blockSize * 3;
          const few = values.subarray(0, short);
          const expectedFew = new Uint8Array(3 * codec.blockByteLength);
          const fewWeights = importances?.slice(0, short);
          if (short > columns) continue;
          codec.quantize?.(few, short, expectedFew, fewWeights);
          const actualFew = quantizeGuarded(twin, few, short, fewWeights, true);
          if (firstDifference(codec, actualFew, expectedFew) >= 0)
            expectSame(actualFew, expectedFew, `${set}: 3 blocks`);
        }
      }
    });
  }
});
