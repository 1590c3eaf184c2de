/** Oracle: outputs of a small layer, summed token by token in this test. */
import { dividedInputs, type InputStatistics, squaredOutput } from "@requant/core/solve";
import { describe, expect, it } from "vitest";

const COLUMNS = 7;
const ROWS = 35;

const tokens = Array.from({ length: 11 }, (_, t) =>
  Float32Array.from({ length: COLUMNS }, (_, i) => Math.sin(3 * t + i) + (i % 3)),
);
const change = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.cos(1.3 * i) / 5);

function statisticsOf(inputs: readonly Float32Array[]): InputStatistics {
  const mean = (of: (x: Float32Array) => number): number =>
    inputs.reduce((sum, x) => sum + of(x), 0) / inputs.length;
  return {
    columns: COLUMNS,
    tokens: inputs.length,
    moments: Float32Array.from({ length: COLUMNS ** 2 }, (_, at) =>
      mean((x) => x[Math.floor(at / COLUMNS)]! * x[at % COLUMNS]!),
    ),
    meanAbs: Float32Array.from({ length: COLUMNS }, (_, i) => mean((x) => Math.abs(x[i]!))),
  };
}

/** Mean over tokens of the squared outputs, where only columns from `start` to `end` are read. */
function squared(start: number, end: number): number {
  let sum = 0;
  for (const x of tokens) {
    for (let row = 0; row < ROWS; row++) {
      let output = 0;
      for (let i = start; i < end; i++) output += change[row * COLUMNS + i]! * x[i]!;
      sum += output ** 2 / tokens.length;
    }
  }
  return sum;
}

describe("the squared output of a change", () => {
  it("is that of the tokens, over more rows than one band", () => {
    expect(squaredOutput(change, statisticsOf(tokens))).toBeCloseTo(squared(0, COLUMNS), 3);
  });

  it("of a group of columns is that of these columns", () => {
    const group = Float32Array.from(
      { length: ROWS * 3 },
      (_, at) => change[Math.floor(at / 3) * COLUMNS + 2 + (at % 3)]!,
    );
    expect(squaredOutput(group, statisticsOf(tokens), 2, 5)).toBeCloseTo(squared(2, 5), 3);
  });
});

describe("divided inputs", () => {
  const scales = Float32Array.from({ length: COLUMNS }, (_, i) => 0.5 + i / 4);

  it("have the statistics of the divided tokens", () => {
    const divided = dividedInputs(statisticsOf(tokens), scales);
    const expected = statisticsOf(tokens.map((x) => x.map((value, i) => value / scales[i]!)));
    for (const [i, value] of expected.moments.entries()) expect(divided.moments[i]).toBeCloseTo(value, 5);
    for (const [i, value] of expected.meanAbs.entries()) expect(divided.meanAbs[i]).toBeCloseTo(value, 5);
  });

  it("need a scale for each column", () => {
    expect(() => dividedInputs(statisticsOf(tokens), scales.subarray(1))).toThrow(/6 scales do not fit/);
  });
});
