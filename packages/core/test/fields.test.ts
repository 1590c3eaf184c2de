import { isCodecError } from "@requant/core";
import {
  fieldWordCount,
  packFields,
  packWords,
  streamFields,
  unpackFields,
  unpackWords,
} from "@requant/core/bits";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

/** `packWords` writes the same streams in another way, and has vectors of its own: it is the oracle here. */
function streams(rows: number, columns: number, bitWidth: number, along: "row" | "column") {
  const width = fieldWordCount(streamFields(bitWidth), columns);
  return along === "row"
    ? {
        streams: rows,
        fields: columns,
        wordStart: 0,
        wordStep: 1,
        streamStep: width,
        fieldStart: 0,
        fieldStep: columns,
      }
    : {
        streams: columns,
        fields: rows,
        wordStart: 0,
        wordStep: columns,
        streamStep: 1,
        fieldStart: 0,
        fieldStep: rows,
      };
}

const matrices = fc
  .record({
    bitWidth: fc.integer({ min: 1, max: 8 }),
    rows: fc.integer({ min: 1, max: 70 }),
    columns: fc.integer({ min: 1, max: 70 }),
  })
  .chain(({ bitWidth, rows, columns }) =>
    fc.record({
      bitWidth: fc.constant(bitWidth),
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      fields: fc.uint8Array({ minLength: rows * columns, maxLength: rows * columns, max: 2 ** bitWidth - 1 }),
    }),
  );

describe("fields in streams", () => {
  test("rows and columns equal packWords and unpackWords, for every width and shape", () => {
    fc.assert(
      fc.property(matrices, ({ bitWidth, rows, columns, fields }) => {
        const table = streamFields(bitWidth);
        const transposed = fields.map((_, i) => fields[(i % rows) * columns + Math.floor(i / rows)]!);
        for (const along of ["row", "column"] as const) {
          const layout = { bitWidth, rows, columns, along };
          const count =
            along === "row" ? rows * fieldWordCount(table, columns) : columns * fieldWordCount(table, rows);
          const expected = new Uint32Array(count);
          packWords(fields, layout, expected);
          const mine = along === "row" ? fields : transposed;
          const words = new Uint32Array(count).fill(0xdeadbeef);
          packFields(table, mine, streams(rows, columns, bitWidth, along), words);
          expect(words).toEqual(expected);
          const back = new Uint8Array(rows * columns).fill(99);
          unpackFields(table, words, streams(rows, columns, bitWidth, along), back);
          expect(back).toEqual(mine);
          const theirs = new Uint8Array(rows * columns);
          unpackWords(words, layout, theirs);
          expect(theirs).toEqual(fields);
        }
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    [2, 16],
    [4, 16],
    [8, 16],
    [2, 8],
    [4, 8],
    [8, 8],
  ] as const)("%i-bit fields in %i-bit words are the same bytes as in 32-bit words", (bitWidth, wordBits) => {
    const fields = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 2 ** bitWidth);
    const at = {
      streams: 1,
      fields: 64,
      wordStart: 0,
      wordStep: 1,
      streamStep: 0,
      fieldStart: 0,
      fieldStep: 64,
    };
    const wide = new Uint32Array(2 * bitWidth);
    packFields(streamFields(bitWidth), fields, at, wide);
    const narrow = wordBits === 16 ? new Uint16Array(4 * bitWidth) : new Uint8Array(8 * bitWidth);
    packFields(streamFields(bitWidth, wordBits), fields, at, narrow);
    expect(new Uint8Array(narrow.buffer)).toEqual(new Uint8Array(wide.buffer));
    const back = new Uint8Array(64);
    unpackFields(streamFields(bitWidth, wordBits), narrow, at, back);
    expect(back).toEqual(fields);
  });

  test("a field that does not fit, and a range beyond the arrays, are refused", () => {
    const at = {
      streams: 1,
      fields: 9,
      wordStart: 0,
      wordStep: 1,
      streamStep: 0,
      fieldStart: 0,
      fieldStep: 9,
    };
    const failing = [
      () => packFields(streamFields(4), Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0, 0), at, new Uint32Array(2)),
      () => packFields(streamFields(4), new Uint8Array(9), at, new Uint32Array(1)),
      () => unpackFields(streamFields(4), new Uint32Array(2), at, new Uint8Array(8)),
      () => streamFields(9),
    ];
    for (const run of failing) {
      let caught: unknown;
      try {
        run();
      } catch (error) {
        caught = error;
      }
      expect(isCodecError(caught)).toBe(true);
    }
  });
});
