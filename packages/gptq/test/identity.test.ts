import { allocateParts } from "@requant/core/format";
import { quantizeView, viewMisfit } from "@requant/core/view";
import { type GptqLayout, gptqCodec } from "@requant/gptq";
import fc from "fast-check";
import { expect, test } from "vitest";

const widths = fc.oneof(
  fc.record({
    bits: fc.constantFrom(2, 4, 8),
    packing: fc.constant("stream" as const),
    packDtype: fc.constantFrom("int32" as const, "int16" as const, "int8" as const),
    zeros: fc.constantFrom("stored" as const, "minus-one-word" as const, "minus-one-wrapped" as const),
  }),
  fc.record({
    bits: fc.constant(3),
    packing: fc.constant("stream" as const),
    packDtype: fc.constant("int32" as const),
    zeros: fc.constantFrom("stored" as const, "minus-one-wrapped" as const),
  }),
  fc.record({
    bits: fc.integer({ min: 2, max: 8 }),
    packing: fc.constant("planar" as const),
    packDtype: fc.constant("int32" as const),
    zeros: fc.constant("stored" as const),
  }),
);

test("fromView∘toView is the identity for every width, packing, zero storage and shape, in bands", () => {
  fc.assert(
    fc.property(
      fc.record({
        width: widths,
        rowBlocks: fc.integer({ min: 1, max: 3 }),
        columnBlocks: fc.integer({ min: 1, max: 5 }),
        groupSize: fc.constantFrom(16, 32, 64, 128, -1),
        sym: fc.boolean(),
        scale: fc.constantFrom("F16" as const, "BF16" as const, "F32" as const),
        scattered: fc.boolean(),
        seed: fc.integer({ min: 1, max: 1000 }),
      }),
      ({ width, rowBlocks, columnBlocks, groupSize, sym, scale, scattered, seed }) => {
        const [rows, columns] = [32 * rowBlocks, 32 * columnBlocks];
        const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * seed) * seed);
        const plain = quantizeView(values, rows, columns, {
          bits: width.bits,
          groupSize,
          symmetric: sym,
          scale,
        });
        const shift = (column: number): number => plain.groupOfColumn[(column * 13 + 5) % columns]!;
        const view = scattered
          ? { ...plain, groupOfColumn: plain.groupOfColumn.map((_, column) => shift(column)) }
          : plain;
        const layout: GptqLayout = {
          ...width,
          rows,
          columns,
          groupCount: view.groupCount,
          groupSize,
          sym,
          scale,
          grouping: "any",
          hasGroupIndex: true,
        };
        const bytes = allocateParts(gptqCodec.parts(layout));
        for (let row = 0; row < rows; row += 32) {
          const band = {
            ...view,
            rows: 32,
            codes: view.codes.subarray(row * columns, (row + 32) * columns),
            scales: view.scales.subarray(row * view.groupCount, (row + 32) * view.groupCount),
            zeros: view.zeros.subarray(row * view.groupCount, (row + 32) * view.groupCount),
          };
          gptqCodec.fromView(layout, band, row, bytes);
        }
        expect(gptqCodec.open(layout, bytes).toView(0, rows)).toEqual(view);
        expect(viewMisfit(gptqCodec.measure(layout, bytes), gptqCodec.requirement(layout))).toBeUndefined();
      },
    ),
    { numRuns: 200 },
  );
});
