/** Oracle: properties that follow from the definitions, checked with sums that this test makes itself. */
import { feedbackCodes, type InputStatistics, solveFactor } from "@requant/core/solve";
import { dequantizeView, quantizeView } from "@requant/core/view";
import { describe, expect, it } from "vitest";

const COLUMNS = 24;
const ROWS = 6;

/** Inputs whose columns depend on each other, from a plain sequence. */
function inputs(tokens: number): Float64Array[] {
  let seed = 1;
  const next = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647 - 0.5;
  };
  return Array.from({ length: tokens }, () => {
    const common = next() * 3;
    return Float64Array.from({ length: COLUMNS }, (_, i) => common * ((i % 5) + 1) + next());
  });
}

function statisticsOf(tokens: readonly Float64Array[]): InputStatistics {
  const moments = new Float32Array(COLUMNS * COLUMNS);
  const meanAbs = new Float32Array(COLUMNS);
  for (let i = 0; i < COLUMNS; i++) {
    for (let j = 0; j < COLUMNS; j++) {
      moments[i * COLUMNS + j] = tokens.reduce((sum, x) => sum + x[i]! * x[j]!, 0) / tokens.length;
    }
    meanAbs[i] = tokens.reduce((sum, x) => sum + Math.abs(x[i]!), 0) / tokens.length;
  }
  return { columns: COLUMNS, tokens: tokens.length, moments, meanAbs };
}

const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(i * 1.7));
const grid = quantizeView(values, ROWS, COLUMNS, { bits: 3, groupSize: 8, symmetric: true, scale: "F16" });

function outputErrorOf(codes: Uint8Array, tokens: readonly Float64Array[]): number {
  const decoded = new Float32Array(values.length);
  dequantizeView({ ...grid, codes }, decoded);
  let sum = 0;
  for (const x of tokens) {
    for (let row = 0; row < ROWS; row++) {
      let output = 0;
      for (let i = 0; i < COLUMNS; i++) {
        output += (values[row * COLUMNS + i]! - decoded[row * COLUMNS + i]!) * x[i]!;
      }
      sum += output ** 2;
    }
  }
  return sum;
}

describe("the factor", () => {
  it.each(["act", "sequential"] as const)("is that of the inverse, columns in order %s", (order) => {
    const { moments, ...statistics } = statisticsOf(inputs(200));
    const made = solveFactor({ ...statistics, moments }, { order, damping: 0 });
    // Uᵀ U times the moments is the unit matrix
    for (let i = 0; i < COLUMNS; i++) {
      for (let j = 0; j < COLUMNS; j++) {
        let sum = 0;
        for (let k = 0; k < COLUMNS; k++) {
          let product = 0;
          for (let l = 0; l < COLUMNS; l++) {
            product += made.upper[l * COLUMNS + i]! * made.upper[l * COLUMNS + k]!;
          }
          sum += product * moments[made.order[k]! * COLUMNS + made.order[j]!]!;
        }
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 3);
      }
    }
  });

  it("refuses statistics that are not finite", () => {
    const statistics = statisticsOf(inputs(50));
    statistics.moments[2 * (COLUMNS + 1)] = Number.NaN;
    expect(() => solveFactor(statistics, { order: "act" })).toThrow(/column 2 are NaN/);
  });
});

describe("error feedback", () => {
  it("leaves less error in the output than rounding does", () => {
    const tokens = inputs(200);
    const factor = solveFactor(statisticsOf(tokens), { order: "act" });
    const codes = feedbackCodes(values, grid, 7, factor);
    expect(outputErrorOf(codes, tokens)).toBeLessThan(0.7 * outputErrorOf(grid.codes, tokens));
  });

  it("rounds where the inputs do not depend on each other", () => {
    const moments = new Float32Array(COLUMNS * COLUMNS);
    for (let i = 0; i < COLUMNS; i++) moments[i * (COLUMNS + 1)] = 1 + i;
    const statistics = { columns: COLUMNS, tokens: 1, moments, meanAbs: new Float32Array(COLUMNS) };
    const codes = feedbackCodes(values, grid, 7, solveFactor(statistics, { order: "act" }));
    expect(codes).toEqual(grid.codes);
  });
});
