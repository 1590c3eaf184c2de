/**
 * The kernels of this package against their TypeScript twins, and that they write to nothing: they only read, and answer with
 * numbers. REQUANT_SEED=<number> replays a run.
 */

import {
  allocateKernelBuffer,
  installKernels,
  kernelAddress,
  kernelsAreInstalled,
  uninstallKernels,
} from "@requant/core/kernels";
import { afterEach, describe, expect, it } from "vitest";
import { floatsOf, seed } from "../../../fixtures/guarded-memory.ts";
import { sameBytes } from "../src/model/same-bytes-twin.ts";
import * as reference from "../src/run/checksum.ts";
import { checksum } from "../src/run/checksum-twin.ts";
import { comparer as comparerHere } from "../src/run/comparison.ts";
import { comparer } from "../src/run/comparison-twin.ts";
import { compareValues } from "../src/run/error-meter.ts";
import { errorMeter, firstNonFinite } from "../src/run/error-meter-twin.ts";
import { firstNonFinite as firstNonFiniteHere } from "../src/run/first-non-finite.ts";

/** xorshift32: the numbers only have to differ from run to run. */
function randomWords(count: number, start: number): Uint32Array<ArrayBuffer> {
  let state = start | 1;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

/** Runs `use` on bytes in the kernels' memory and checks that all of it, and what surrounds it, stays as it was. */
function untouched<T>(
  arrays: readonly Uint8Array[],
  shift: number,
  use: (views: readonly Uint8Array<ArrayBuffer>[]) => T,
): T {
  const guard = 128;
  const length = arrays.reduce((sum, array) => sum + Math.ceil((array.length + guard) / 4) * 4, guard);
  const buffer = allocateKernelBuffer(Math.ceil(length / 4) * 4 + guard);
  const before = buffer.bytes();
  before.fill(0xc5);
  let at = guard + shift;
  const views = arrays.map((array) => {
    const view = buffer.bytes(at, at + array.length);
    view.set(array);
    at += Math.ceil((array.length + guard / 2) / 4) * 4;
    return view;
  });
  for (const view of views) expect(kernelAddress(view)).toBeTypeOf("number");
  const copy = before.slice();
  const result = use(views);
  expect(
    buffer.bytes().findIndex((byte, i) => byte !== copy[i]),
    "first byte that was written",
  ).toBe(-1);
  buffer.release();
  return result;
}

const lengths = [0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 4099];

afterEach(installKernels);

describe.skipIf(!kernelsAreInstalled())(`kernels (REQUANT_SEED=${seed})`, () => {
  it.each(lengths)("sum the errors of %i values to the same bits, and write nothing", (count) => {
    const bytes = new Uint8Array(
      // between 2^-20 and 2^20: differences that f32 can square and add
      randomWords(2 * count, seed ^ count).map((word) => (word & 0x807fffff) | ((107 + (word % 40)) << 23))
        .buffer,
    );
    const [a, b] = [bytes.slice(0, 4 * count), bytes.slice(4 * count)];
    const wanted = compareValues(floatsOf(a), floatsOf(b));
    const found = untouched([a, b], 4, ([x = a, y = b]) => {
      const meter = errorMeter();
      meter.add(floatsOf(x), floatsOf(y));
      return meter.sums();
    });
    expect(found).toEqual(wanted);
  });

  it.each(lengths)("compare %i values to the same bits, and write nothing", (count) => {
    // any bits: NaNs, infinities and subnormal numbers among them; every third pair is equal
    const words = randomWords(2 * count, seed ^ count);
    for (let i = 0; i < count; i += 3) words[count + i] = words[i] ?? 0;
    const bytes = new Uint8Array(words.buffer);
    const [a, b] = [bytes.slice(0, 4 * count), bytes.slice(4 * count)];
    const wanted = comparerHere();
    wanted.add(floatsOf(a), floatsOf(b));
    const found = untouched([a, b], 4, ([x = a, y = b]) => {
      const own = comparer();
      own.add(floatsOf(x), floatsOf(y));
      return own.result();
    });
    expect(found).toEqual(wanted.result());
  });

  it.each(lengths)("find the first of %i values that is not finite, and write nothing", (count) => {
    // all finite: subnormal numbers, both zeros and the largest ones among them
    const finite = randomWords(count, seed ^ count).map((word, i) =>
      i % 5 === 0 ? word & 0x80000000 : (word & 0x7f800000) === 0x7f800000 ? word ^ 0x00800000 : word,
    );
    const found = (words: Uint32Array<ArrayBuffer>): number => {
      const bytes = new Uint8Array(words.buffer);
      return untouched([bytes], 4, ([view = bytes]) => firstNonFinite(floatsOf(view)));
    };
    expect(found(finite)).toBe(count);
    expect(firstNonFiniteHere(new Float32Array(finite.buffer))).toBe(count);
    // the infinities, a quiet and a signalling NaN
    for (const odd of [0x7f800000, 0xff800000, 0x7fc00000, 0xff800001]) {
      for (let at = 0; at < count; at += 1 + (at >> 3)) {
        const words = finite.slice();
        words[at] = odd;
        words[count - 1] = odd;
        expect(found(words)).toBe(at);
        expect(firstNonFiniteHere(new Float32Array(words.buffer))).toBe(at);
      }
    }
  });

  it.each(lengths)("sum %i bytes at any address, and write nothing", (count) => {
    const bytes = new Uint8Array(randomWords(Math.ceil(count / 4), seed ^ count).buffer).slice(0, count);
    const wanted = reference.checksum(bytes);
    for (const shift of [0, 1, 2, 3, 5]) {
      expect(untouched([bytes], shift, ([view = bytes]) => checksum(view))).toBe(wanted);
    }
    uninstallKernels();
    expect(checksum(bytes)).toBe(wanted);
  });
});

describe.skipIf(!kernelsAreInstalled())("the kernel of sameBytes", () => {
  it.each([0, 1, 15, 64, 200, 4099])("finds any one of %i bytes that differs", (length) => {
    const bytes = Uint8Array.from(randomWords(length, seed + length));
    for (const shift of [0, 3]) {
      expect(untouched([bytes, bytes], shift, ([a, b]) => sameBytes(a!, b!))).toBe(true);
      const places = new Set([0, 63, 64, length - 1].filter((at) => at >= 0 && at < length));
      for (const at of places) {
        const other = bytes.slice();
        other[at]! ^= 0x10;
        expect(
          untouched([bytes, other], shift, ([a, b]) => sameBytes(a!, b!)),
          `byte ${at}`,
        ).toBe(false);
      }
    }
  });

  it("takes arrays of other lengths for different, and those elsewhere for what they are", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(untouched([bytes, bytes], 0, ([a, b]) => sameBytes(a!, b!.subarray(1)))).toBe(false);
    expect(sameBytes(bytes, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(sameBytes(bytes, Uint8Array.of(1, 2, 4))).toBe(false);
  });
});
