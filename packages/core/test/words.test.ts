import { UsageError } from "@requant/core";
import { packWords, unpackWords, type WordLayout, wordCount } from "@requant/core/bits";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const bitWidths = [1, 2, 3, 4, 5, 6, 7, 8, 16] as const;

/** Oracle: one big integer per stream, whose bits are the fields one after another. */
function streamOf(fields: readonly number[], bitWidth: number): number[] {
  const bits = fields.reduceRight((rest, field) => (rest << BigInt(bitWidth)) | BigInt(field), 0n);
  const words = Math.ceil((fields.length * bitWidth) / 32);
  return Array.from({ length: words }, (_, i) => Number((bits >> BigInt(32 * i)) & 0xffffffffn));
}

function oracle(fields: Uint16Array, { bitWidth, rows, columns, along }: WordLayout): Uint32Array {
  const matrix = Array.from({ length: rows }, (_, r) => [...fields.subarray(r * columns, (r + 1) * columns)]);
  if (along === "row") return Uint32Array.from(matrix.flatMap((row) => streamOf(row, bitWidth)));
  const streams = Array.from({ length: columns }, (_, c) =>
    streamOf(
      matrix.map((row) => row[c] ?? 0),
      bitWidth,
    ),
  );
  const height = Math.ceil((rows * bitWidth) / 32);
  return Uint32Array.from(
    { length: height * columns },
    (_, i) => streams[i % columns]?.[Math.floor(i / columns)] ?? 0,
  );
}

const layouts = fc
  .record({
    bitWidth: fc.constantFrom(...bitWidths),
    rows: fc.integer({ min: 1, max: 70 }),
    columns: fc.integer({ min: 1, max: 70 }),
    along: fc.constantFrom("row" as const, "column" as const),
  })
  .chain((layout) =>
    fc
      .array(fc.nat(2 ** layout.bitWidth - 1), {
        minLength: layout.rows * layout.columns,
        maxLength: layout.rows * layout.columns,
      })
      .map((fields) => ({ layout, fields: Uint16Array.from(fields) })),
  );

describe("fields in 32-bit words", () => {
  test("property: packing equals the big-integer stream, unpacking undoes it", () => {
    fc.assert(
      fc.property(layouts, ({ layout, fields }) => {
        const words = new Uint32Array(wordCount(layout));
        packWords(fields, layout, words);
        expect(words).toEqual(oracle(fields, layout));
        const back = new Uint16Array(fields.length);
        unpackWords(words, layout, back);
        expect(back).toEqual(fields);
      }),
      { numRuns: 300 },
    );
  });

  test("property: signed words and byte arrays give the same", () => {
    fc.assert(
      fc.property(layouts, ({ layout, fields }) => {
        fc.pre(layout.bitWidth <= 8);
        const signed = new Int32Array(wordCount(layout)).fill(-1);
        packWords(Uint8Array.from(fields), layout, signed);
        expect(new Uint32Array(signed.buffer)).toEqual(oracle(fields, layout));
        const back = new Uint8Array(fields.length);
        unpackWords(signed, layout, back);
        expect(back).toEqual(Uint8Array.from(fields));
      }),
    );
  });

  test("the straddling fields of GPTQ 3-bit: 10 over words 0/1, 21 over words 1/2", () => {
    const layout: WordLayout = { bitWidth: 3, rows: 32, columns: 1, along: "column" };
    const pack = (row: number, code: number): number[] => {
      const words = new Uint32Array(3);
      packWords(new Uint8Array(32).fill(code, row, row + 1), layout, words);
      return [...words];
    };
    expect(pack(10, 0b111)).toEqual([0xc0000000, 0b1, 0]);
    expect(pack(10, 0b100)).toEqual([0, 0b1, 0]);
    expect(pack(21, 0b111)).toEqual([0, 0x80000000, 0b11]);
    expect(pack(21, 0b001)).toEqual([0, 0x80000000, 0]);
  });

  test("4-bit words of GPTQ: sym zero 8 is 0x88888888", () => {
    const words = new Int32Array(1);
    packWords(new Uint8Array(8).fill(8), { bitWidth: 4, rows: 1, columns: 8, along: "row" }, words);
    expect(words[0]).toBe(0x88888888 | 0);
  });

  test("empty matrices take no words", () => {
    for (const along of ["row", "column"] as const) {
      expect(wordCount({ bitWidth: 4, rows: 0, columns: 5, along })).toBe(0);
      expect(wordCount({ bitWidth: 4, rows: 5, columns: 0, along })).toBe(0);
    }
  });

  test("refuses fields and lengths that do not fit", () => {
    const layout: WordLayout = { bitWidth: 4, rows: 2, columns: 8, along: "row" };
    expect(() => unpackWords(new Uint32Array(1), layout, new Uint8Array(16))).toThrow(UsageError);
    expect(() => unpackWords(new Uint32Array(2), layout, new Uint8Array(15))).toThrow(UsageError);
    expect(() => packWords(new Uint8Array(16).fill(16, 3, 4), layout, new Uint32Array(2))).toThrow(
      "Field 3 is 16, more than 4 bits hold.",
    );
    for (const bitWidth of [0, 9, 15, 17, 32, 2.5, -4]) {
      expect(() => wordCount({ ...layout, bitWidth })).toThrow(UsageError);
    }
    expect(() => wordCount({ ...layout, rows: -1 })).toThrow(UsageError);
    const wide: WordLayout = { bitWidth: 16, rows: 1, columns: 2, along: "row" };
    expect(() => unpackWords(new Uint32Array(1), wide, new Uint8Array(2))).toThrow(UsageError);
  });
});
