/**
 * Packages without kernels of their own, in Node and in Chromium: weights that are one number, written byte by byte, whose
 * values the formulas of the formats give. The other packages' kernels.test.ts run in both, too.
 */
import { bitnetCodec } from "@requant/bitnet";
import type { LinearCodec, LinearLayout, LinearPart, OpenedWeight } from "@requant/core/format";
import { eetqCodec } from "@requant/eetq";
import { hqqCodec } from "@requant/hqq";
import { quantoCodec } from "@requant/quanto";
import { torchaoCodec } from "@requant/torchao";
import { describe, expect, it } from "vitest";

/** A part, and the bytes of one of its numbers, which all are. */
interface Filled extends LinearPart {
  readonly bytes: readonly number[];
}

const F32_HALF = [0, 0, 0, 0x3f];
const F32_TWO = [0, 0, 0, 0x40];
const F16_HALF = [0, 0x38];

function valuesOf<Layout extends LinearLayout, Claims, Weight extends OpenedWeight>(
  codec: LinearCodec<Layout, Claims, Weight>,
  claims: Claims,
  filled: readonly Filled[],
): Set<number> {
  const parts = filled.map(({ suffix, encoding, shape }): LinearPart => ({ suffix, encoding, shape }));
  const layout = codec.readLayout(parts, claims);
  const stored = Object.fromEntries(
    filled.map(({ suffix, shape, bytes }) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [
        suffix,
        Uint8Array.from({ length: count * bytes.length }, (_, i) => bytes[i % bytes.length] ?? 0),
      ];
    }),
  );
  const values = new Float32Array(layout.rows * layout.columns);
  codec.open(layout, stored).dequantize(0, layout.rows, values);
  return new Set(values);
}

describe("packages in Node and in a browser", () => {
  it("EETQ: (byte − 128) × scale", () => {
    const parts = [
      { suffix: "weight", encoding: "I8", shape: [64, 64], bytes: [131] },
      { suffix: "weight_scales", encoding: "F16", shape: [64], bytes: F16_HALF },
    ];
    expect(valuesOf(eetqCodec, undefined, parts)).toEqual(new Set([1.5]));
  });

  it("BitNet: (code − 1) × scale", () => {
    const parts = [
      { suffix: "weight", encoding: "U8", shape: [4, 32], bytes: [0b10101010] },
      { suffix: "weight_scale", encoding: "F32", shape: [1], bytes: F32_HALF },
    ];
    expect(valuesOf(bitnetCodec, { scaleIs: "factor" }, parts)).toEqual(new Set([0.5]));
  });

  it("HQQ: (code − zero) × scale", () => {
    const meta = { rows: 4, columns: 64, bits: 4, groupSize: 64, axis: 1 } as const;
    const parts = [
      { suffix: "W_q", encoding: "U8", shape: [2, 64], bytes: [0x77] },
      { suffix: "scale", encoding: "F32", shape: [4, 1], bytes: F32_HALF },
      { suffix: "zero", encoding: "F32", shape: [4, 1], bytes: F32_TWO },
    ];
    expect(valuesOf(hqqCodec, { meta }, parts)).toEqual(new Set([2.5]));
  });

  it("quanto: scale × code", () => {
    const parts = [
      { suffix: "weight._data", encoding: "I8", shape: [4, 32], bytes: [0xfd] },
      { suffix: "weight._scale", encoding: "F32", shape: [4, 1], bytes: F32_HALF },
    ];
    expect(valuesOf(quantoCodec, {}, parts)).toEqual(new Set([-1.5]));
  });

  it("torchao: scale × code", () => {
    const parts = [
      { suffix: "_weight_qdata", encoding: "I8", shape: [4, 32], bytes: [7] },
      { suffix: "_weight_scale", encoding: "F32", shape: [4, 1], bytes: F32_HALF },
    ];
    expect(valuesOf(torchaoCodec, undefined, parts)).toEqual(new Set([3.5]));
  });
});
