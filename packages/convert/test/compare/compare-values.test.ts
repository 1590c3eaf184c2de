import { describe, expect, it } from "vitest";
import { compareValues } from "../../src/compare/compare-values.ts";
import type { RowBand } from "../../src/model/row-bands.ts";
import type { WeightBands } from "../../src/model/weight-bands.ts";
import { comparer } from "../../src/run/comparison.ts";

const [LENGTH, ROWS, BAND, STEP] = [40, 12, 4, 2];

/** A weight in memory, in three bands of two steps, that notes which bands are read and which rows are decoded. */
function weightOf(
  values: Float32Array,
  encoding?: string,
): WeightBands & { reads: number[]; decoded: number } {
  const cut = (from: RowBand, size: number): RowBand[] =>
    Array.from({ length: (from.end - from.start) / size }, (_, i) => ({
      start: from.start + i * size,
      end: from.start + (i + 1) * size,
    }));
  let held: RowBand | undefined;
  const of = ({ start, end }: RowBand): Float32Array => {
    if (held === undefined || start < held.start || end > held.end) throw new Error("not in memory");
    return values.slice(start * LENGTH, end * LENGTH);
  };
  const weight = {
    count: values.length,
    bands: cut({ start: 0, end: ROWS }, BAND),
    reads: [] as number[],
    decoded: 0,
    async read(band: RowBand) {
      held = band;
      weight.reads.push(band.start);
    },
    steps: (band: RowBand) => cut(band, STEP),
    values(rows: RowBand) {
      weight.decoded += 1;
      return of(rows);
    },
    ...(encoding === undefined
      ? {}
      : { stored: { encoding, bytes: (rows: RowBand) => new Uint8Array(of(rows).buffer) } }),
  };
  return weight;
}

const ordinary = Float32Array.from({ length: ROWS * LENGTH }, (_, i) => Math.sin(i));

/** As `ordinary`, but for one value. */
function changed(index: number, value: number): Float32Array {
  const values = ordinary.slice();
  values[index] = value;
  return values;
}

function wholeComparison(a: Float32Array, b: Float32Array): unknown {
  const all = comparer();
  // the same steps, whose sums are added up one after the other
  for (let start = 0; start < a.length; start += STEP * LENGTH)
    all.add(a.subarray(start, start + STEP * LENGTH), b.subarray(start, start + STEP * LENGTH));
  return all.result();
}

const last = ROWS * LENGTH - 1;

describe("compareValues", () => {
  it.each([
    ["the same", ordinary, ordinary, [0, 4, 8]],
    // the band in memory is not read again
    ["another first value", ordinary, changed(0, 7), [0, 4, 8]],
    ["another value in the first band", ordinary, changed(BAND * LENGTH - 1, 7), [0, 4, 8]],
    ["another value in the second band", ordinary, changed(BAND * LENGTH, 7), [0, 4, 0, 4, 8]],
    ["another last value", ordinary, changed(last, 7), [0, 4, 8, 0, 4, 8]],
    ["NaN on one side", ordinary, changed(last, Number.NaN), [0, 4, 8, 0, 4, 8]],
    ["NaN on both sides", changed(last, Number.NaN), changed(last, Number.NaN), [0, 4, 8, 0, 4, 8]],
    ["an infinity on both sides", changed(5, Infinity), changed(5, Infinity), [0, 4, 8]],
    ["0 and -0", changed(9, 0), changed(9, -0), [0, 4, 8]],
    ["zeros", new Float32Array(last + 1), new Float32Array(last + 1), [0, 4, 8]],
  ])("%s: the same result as with sums from the start, and few reads", async (_, a, b, reads) => {
    for (const encoding of [undefined, "F32"]) {
      const [one, other] = [weightOf(a, encoding), weightOf(b, encoding)];
      expect(await compareValues(one, other, { halves: false })).toEqual(wholeComparison(a, b));
      expect(one.reads).toEqual(reads);
      expect(other.reads).toEqual(reads);
    }
  });

  it("decodes rows of the same bytes once", async () => {
    const [one, other] = [weightOf(ordinary, "F32"), weightOf(ordinary, "F32")];
    await compareValues(one, other, { halves: false });
    expect([one.decoded, other.decoded]).toEqual([6, 0]);
  });

  it("rounds both sides to f16", async () => {
    const near = ordinary.map((value) => value * (1 + 2 ** -20));
    expect(await compareValues(weightOf(ordinary), weightOf(near), { halves: true })).toMatchObject({
      equal: false,
      differences: expect.toSatisfy((count: number) => count < 20),
    });
    expect(await compareValues(weightOf(ordinary), weightOf(near), { halves: false })).toMatchObject({
      differences: expect.toSatisfy((count: number) => count > 400),
    });
    // beyond f16, both are infinite
    const large = changed(3, 70_000);
    for (const encoding of [undefined, "F32"]) {
      const found = await compareValues(weightOf(large, encoding), weightOf(large, encoding), {
        halves: true,
      });
      expect(found).toMatchObject({ equal: true, finite: false });
    }
  });

  it("stops when it is told to", async () => {
    const weight = weightOf(ordinary);
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(compareValues(weight, weight, { halves: false, signal })).rejects.toThrow("stop");
    expect(weight.reads).toEqual([]);
  });
});
