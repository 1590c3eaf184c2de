import { outputError, readerStatistics } from "@requant/core/solve";
import { expect, it } from "vitest";

const columns = 3;
const readers = [
  { weight: Float32Array.of(1, 2, -1, 0, 3, 1), norm: Float32Array.of(1, 0.5, 2) },
  { weight: Float32Array.of(4, 0, -2), norm: Float32Array.of(0.25, 1, 1) },
];

it("counts an error in a row as what the readers make of it", () => {
  const rows = Float32Array.of(1, 2, 3, -1, 0, 5);
  const changed = Float32Array.of(1.5, 2, 2, -1, -1, 5);
  const error = outputError(rows, changed, readerStatistics(columns, readers));
  // by hand: errors (−0.5, 0, 1) and (0, 1, 0), each times norm and weight, squared: −2.5, 2, −2.5 and 1, 1.5, 0
  expect(error).toBeCloseTo((6.25 + 4 + 6.25 + 1 + 2.25) / 3, 6);
});

it("counts the readers' rows as tokens", () => {
  expect(readerStatistics(columns, readers)).toMatchObject({ columns, tokens: 3 });
});

it.each([
  ["weights that are not whole rows", 4, 3],
  ["a norm of another length", 6, 2],
])("refuses %s", (_, weights, norm) => {
  const reader = { weight: new Float32Array(weights), norm: new Float32Array(norm) };
  expect(() => readerStatistics(columns, [reader])).toThrow(expect.objectContaining({ name: "UsageError" }));
});
