import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PieceResults } from "../../src/run/piece-results.ts";
import type { PieceResult } from "../../src/run/pieces.ts";

const sum = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, Infinity, 2 ** -149, 1e300));
const digit = fc.constantFrom(..."0123456789abcdef");
const checksum = fc.oneof(
  fc.string({ unit: digit, minLength: 16, maxLength: 16 }),
  fc.constantFrom("0".repeat(16), "f".repeat(16), "00000000ffffffff", "0000000100000000"),
);
const result: fc.Arbitrary<PieceResult> = fc.record(
  {
    checksum,
    noise: sum,
    maxAbsError: sum,
    signal: sum,
    output: fc.record({ error: sum, rounding: sum, signal: sum }),
  },
  { requiredKeys: ["checksum", "noise", "maxAbsError", "signal"] },
);

describe("PieceResults", () => {
  it("gives back what it was given last, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), result), { maxLength: 40 }), (given) => {
        const results = new PieceResults(21);
        const last = new Map<number, PieceResult>();
        for (const [index, one] of given) {
          results.set(index, one);
          last.set(index, one);
        }
        for (let index = 0; index <= 20; index++) {
          expect(results.has(index)).toBe(last.has(index));
          expect(results.get(index)).toEqual(last.get(index));
        }
      }),
    );
  });

  it("keeps weights that are not finite", () => {
    const results = new PieceResults(2);
    const given = { count: 1, index: 3, value: Number.NaN, stored: Number.NaN, largest: 2, largestIndex: 5 };
    const one = { checksum: "0123456789abcdef", noise: 0, maxAbsError: Infinity, signal: 1 };
    results.set(1, { ...one, nonFinite: { given, made: undefined } });
    expect(results.get(1)).toEqual({ ...one, nonFinite: { given, made: undefined } });
    // made again, without them
    results.set(1, one);
    expect(results.get(1)).toEqual(one);
    expect(results.get(0)).toBeUndefined();
  });
});
