/** The kernels of the solver and of the grid search against the TypeScript, bit for bit. */
import { afterAll, describe, expect, it } from "vitest";
import { expectSame, randomNumbers, seed, withSwitch } from "../../../fixtures/guarded-memory.ts";
import { allocateKernelBuffer } from "../src/kernels/buffer.ts";
import { solveFactor } from "../src/kernels/factor-twin.ts";
import { squaredOutput } from "../src/kernels/quadratic-twin.ts";
import { quantizeView } from "../src/kernels/quantize-twin.ts";
import { solveRows } from "../src/kernels/rows-twin.ts";
import { installKernels, kernelsAreInstalled } from "../src/kernels/switch.ts";
import * as referenceFactor from "../src/solve/factor.ts";
import * as referenceOutput from "../src/solve/quadratic-form.ts";
import type { CodeGrid, Sweeps } from "../src/solve/rows.ts";
import * as referenceRows from "../src/solve/rows.ts";
import type { InputStatistics } from "../src/solve/statistics.ts";
import * as referenceQuantize from "../src/view/quantize.ts";

afterAll(installKernels);

const random = randomNumbers(seed);
const noise = (length: number, scale = 1): Float32Array =>
  Float32Array.from({ length }, () => scale * (random() + random() + random() - 1.5));

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int16Array | Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Inputs whose columns depend on each other; one column is always 0. */
function statisticsOf(columns: number): InputStatistics {
  const moments = new Float32Array(columns * columns);
  const tokens = 60;
  for (let token = 0; token < tokens; token++) {
    const common = noise(1, 3)[0]!;
    const x = noise(columns).map((value, i) => (i === 5 ? 0 : value * (1 + (i % 7)) + common * (i % 5)));
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) moments[i * columns + j]! += (x[i]! * x[j]!) / tokens;
    }
  }
  return { columns, tokens, moments, meanAbs: new Float32Array(columns) };
}

/** Columns that are less than a panel, fill panels, end within a vector, and take several blocks of strips. */
const sizes = [7, 64, 130, 201, 323] as const;

describe.skipIf(!kernelsAreInstalled())("the factor", () => {
  it.each(sizes)("of %i columns has the same bits", (columns) => {
    const statistics = statisticsOf(columns);
    for (const order of ["act", "sequential"] as const) {
      const expected = referenceFactor.solveFactor(statistics, { order });
      const actual = solveFactor(statistics, { order });
      expectSame(bytesOf(actual.upper), bytesOf(expected.upper), `factor in order ${order}`);
      expectSame(bytesOf(actual.moments), bytesOf(expected.moments), `moments in order ${order}`);
    }
  });

  it("gets more damping where the moments have no inverse, and is refused where none helps", () => {
    const ones = (value: number): InputStatistics => ({
      columns: 8,
      tokens: 1,
      moments: Float32Array.from({ length: 64 }, (_, i) => (i % 9 === 0 ? 1 : value)),
      meanAbs: new Float32Array(8),
    });
    const options = { order: "act", damping: 0.001 } as const;
    const expected = referenceFactor.solveFactor(ones(1.5), options);
    expectSame(bytesOf(solveFactor(ones(1.5), options).upper), bytesOf(expected.upper), "damped factor");
    expect(() => solveFactor(ones(1000), options)).toThrow(/no inverse/);
  });
});

/** Grids of every kind over the same weights. */
function gridsOf(values: Float32Array, rows: number, columns: number): (readonly [string, CodeGrid])[] {
  const made = referenceQuantize.quantizeView(values, rows, columns, {
    ...{ bits: 4, groupSize: 32, symmetric: false, scale: "F16" },
  });
  const { zeros, ...withoutZeros } = { ...made, levels: "integer" as const };
  const table = Float32Array.of(-1, -0.6, -0.3, -0.1, 0, 0.15, Number.NaN, 0.5, 1);
  const biases = made.scales.map((scale, i) => Math.fround(-scale * zeros[i]!));
  const scattered = made.groupOfColumn.map((_, column) => made.groupOfColumn[(column * 37) % columns]!);
  return [
    ["zero points", { ...withoutZeros, zeros }],
    ["values of f16", { ...withoutZeros, zeros, rounding: "f16" }],
    ["biases", { ...withoutZeros, biases }],
    ["a table", { ...withoutZeros, levels: table, scales: made.scales.map((scale) => 8 * scale) }],
    ["scattered groups", { ...withoutZeros, zeros, groupOfColumn: scattered }],
    ["scales of 0", { ...withoutZeros, zeros, scales: made.scales.map((scale, i) => (i % 3 ? scale : 0)) }],
  ];
}

const sweepings: readonly Sweeps[] = [
  { count: 0 },
  { count: 2 },
  { count: 2, scale: "F16" },
  { count: 1, scale: "BF16" },
  { count: 1, scale: "F32" },
];

describe.skipIf(!kernelsAreInstalled()).each([
  [5, 64],
  [16, 101],
  [19, 200],
])("%i rows of %i columns", (rows, columns) => {
  const values = noise(rows * columns);
  const factor = solveFactor(statisticsOf(columns), { order: "act" });
  const elsewhere = { ...factor, upper: factor.upper.slice(), moments: factor.moments.slice() };

  it.each(gridsOf(values, rows, columns))("get the same codes and scales on a grid with %s", (name, grid) => {
    for (const sweeps of sweepings) {
      const what = `${name}, ${sweeps.count} sweeps, scales ${sweeps.scale}`;
      const expected = referenceRows.solveRows(values, grid, 15, factor, sweeps);
      for (const own of [factor, elsewhere]) {
        const actual = solveRows(values, grid, 15, own, sweeps);
        expectSame(actual.codes, expected.codes, what);
        expectSame(bytesOf(actual.scales), bytesOf(expected.scales), what);
      }
      const off = withSwitch(false, () => solveRows(values, grid, 15, factor, sweeps));
      expectSame(off.codes, expected.codes, `${what}, without kernels`);
    }
  });
});

describe.skipIf(!kernelsAreInstalled())("the grid search", () => {
  const bits = [2, 3, 4, 8] as const;
  it.each(bits)("finds the same grids of %i bits", (width) => {
    for (const symmetric of [true, false]) {
      for (const scale of ["F16", "BF16", "F32"] as const) {
        for (const groupSize of [16, 50, -1]) {
          const values = noise(9 * 130, 0.02);
          values.fill(0, 0, 16);
          values[20] = 1e-8;
          const importance = noise(130).map((value) => Math.exp(4 * value));
          const options = { bits: width, groupSize, symmetric, scale, importance, search: true, minZero: 1 };
          const expected = referenceQuantize.quantizeView(values, 9, 130, options);
          const actual = quantizeView(values, 9, 130, options);
          const what = `${width} bits, ${symmetric}, ${scale}, groups of ${groupSize}`;
          expectSame(bytesOf(actual.scales), bytesOf(expected.scales), what);
          expectSame(bytesOf(actual.zeros), bytesOf(expected.zeros), what);
          expectSame(actual.codes, expected.codes, what);
        }
      }
    }
  });

  it("of more rows than fit at once", () => {
    const values = noise(40 * 5000);
    const options = { bits: 4, groupSize: 40, symmetric: true, scale: "F16", search: true } as const;
    const expected = referenceQuantize.quantizeView(values, 40, 5000, options);
    expectSame(bytesOf(quantizeView(values, 40, 5000, options).scales), bytesOf(expected.scales), "scales");
  });
});

describe.skipIf(!kernelsAreInstalled())("rounding to nearest codes", () => {
  const [rows, columns] = [11, 150];
  /** Noise, groups of zeros, of numbers below the smallest f16, and of halves of steps: ties. */
  function weights(): Float32Array {
    const values = noise(rows * columns, 0.02);
    values.fill(0, 0, 50);
    values.fill(1e-9, columns, columns + 50);
    for (let i = 0; i < columns; i++) values[4 * columns + i] = ((i * 7) % 31) * 0.5 - 7.5;
    return values;
  }

  it.each([2, 3, 4, 8])("gives the same codes, scales and zero points of %i bits", (bits) => {
    for (const symmetric of [true, false]) {
      for (const scale of ["F16", "F32"] as const) {
        for (const groupSize of [4, 50, 128, -1]) {
          const options = { bits, groupSize, symmetric, scale, minZero: bits === 4 ? 1 : 0 };
          const values = weights();
          const expected = referenceQuantize.quantizeView(values, rows, columns, options);
          const memory = allocateKernelBuffer(values.byteLength);
          const placed = memory.floats(0, values.length);
          placed.set(values);
          for (const given of [values, placed]) {
            const actual = quantizeView(given, rows, columns, options);
            const what = `${symmetric}, ${scale}, groups of ${groupSize}`;
            expectSame(bytesOf(actual.scales), bytesOf(expected.scales), what);
            expectSame(bytesOf(actual.zeros), bytesOf(expected.zeros), what);
            expectSame(actual.codes, expected.codes, what);
          }
          memory.release();
        }
      }
    }
  });

  it("divides in doubles where single precision cannot tell which code is nearer", () => {
    const scale = Math.fround(0.1);
    // the quotient is rounded to a half in f32, and is a little more or less in doubles
    const near = Array.from({ length: 4096 }, (_, i) => Math.fround((i / 256 - 8 + 0.5) * scale));
    const values = Float32Array.from(near, (value) => Math.max(-0.75, Math.min(0.75, value)));
    values[0] = -0.75;
    values[1] = 0.75;
    const options = { bits: 4, groupSize: -1, symmetric: true, scale: "F32" } as const;
    const expected = referenceQuantize.quantizeView(values, 1, 4096, options);
    expect(expected.scales[0]).toBe(scale);
    expectSame(quantizeView(values, 1, 4096, options).codes, expected.codes, "codes");
  });

  it("refuses the same weight", () => {
    const refusal = (
      quantize: typeof quantizeView,
      values: Float32Array,
    ): { message: string; index: number | undefined } | undefined => {
      try {
        quantize(values, rows, columns, { bits: 4, groupSize: 50, symmetric: true, scale: "F16" });
      } catch (error) {
        const { message, index } = error as { message: string; index?: number };
        return { message, index };
      }
      return undefined;
    };
    for (const [at, value] of [
      [177, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
      [rows * columns - 1, Number.NEGATIVE_INFINITY],
      [733, 1e9],
    ] as const) {
      const values = weights();
      values[at] = value;
      const expected = refusal(referenceQuantize.quantizeView, values);
      expect(expected?.index).toBe(at);
      expect(refusal(quantizeView, values)).toEqual(expected);
    }
  });
});

describe.skipIf(!kernelsAreInstalled())("the squared output", () => {
  // fewer rows than a tile, a whole one, and more than are in memory at a time
  it.each([
    [7, 5],
    [64, 16],
    [131, 150],
  ])("of %i columns and %i rows has the same bits", (columns, rows) => {
    const statistics = statisticsOf(columns);
    const whole = noise(rows * columns);
    expect(squaredOutput(whole, statistics)).toBe(referenceOutput.squaredOutput(whole, statistics));
    const part = noise(rows * (columns - 3));
    expect(squaredOutput(part, statistics, 2, columns - 1)).toBe(
      referenceOutput.squaredOutput(part, statistics, 2, columns - 1),
    );
    expect(squaredOutput(whole, statistics)).toBeGreaterThan(0);
  });
});
