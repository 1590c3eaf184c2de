import { type AwqLayout, type AwqVersion, awqCodec, quantizeAwq } from "@requant/awq";
import { allocateParts } from "@requant/core/format";
import { viewMisfit } from "@requant/core/view";
import fc from "fast-check";
import { expect, test } from "vitest";

test.each<AwqVersion>(["gemm", "gemv", "gemv_fast", "llm-awq", "marlin"])(
  "%s: floats → view → parts → view is the identity from the view on",
  (version) => {
    fc.assert(
      fc.property(
        fc.record({
          rows: fc.integer({ min: 1, max: 2 }).map((n) => 64 * n),
          columns: fc.constantFrom(128, 256, 512),
          groupSize: fc.constantFrom(32, 64, 128, -1),
          seed: fc.integer({ min: 1, max: 1000 }),
        }),
        ({ rows, columns, groupSize, seed }) => {
          const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * seed) / 8);
          const groupCount = groupSize === -1 ? 1 : columns / groupSize;
          const layout: AwqLayout = { version, rows, columns, groupSize, groupCount, scale: "F16" };
          const view = quantizeAwq(layout, values, rows);
          const bytes = allocateParts(awqCodec.parts(layout));
          awqCodec.fromView(layout, view, 0, bytes);
          const weight = awqCodec.open(layout, bytes);
          expect(weight.toView(0, rows)).toEqual(view);
          // half a step, and what rounding the scale or the stored offset adds
          const out = new Float32Array(rows * columns);
          weight.dequantize(0, rows, out);
          const tooFar = out.findIndex((value, i) => {
            const group = Math.floor(i / columns) * groupCount + view.groupOfColumn[i % columns]!;
            return !(Math.abs(value - values[i]!) <= view.scales[group]! * 0.52);
          });
          expect(tooFar).toBe(-1);
          const misfit = viewMisfit(awqCodec.measure(layout, bytes), awqCodec.requirement(layout));
          const storesOffsets = version === "gemv_fast" || version === "llm-awq";
          if (!storesOffsets) expect(misfit).toBeUndefined();
        },
      ),
      { numRuns: 30 },
    );
  },
);
