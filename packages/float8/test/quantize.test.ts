/** Oracle: transformers 5.24 (`Fp8Quantize`), run once on the same numbers; its codes' SHA-256 and its scales are below. */
import { ConversionError } from "@requant/core";
import { e8m0ToFloat } from "@requant/core/numeric";
import { quantizeFloat8 } from "@requant/float8";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../../fixtures/linear-cases.ts";

const [ROWS, COLUMNS, BLOCK] = [256, 384, 128];

/** Numbers of all sizes, all of them exact in f32; one block is zero. */
function numbers(): Float32Array {
  return Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => {
    const [down, across] = [Math.floor(i / COLUMNS / BLOCK), Math.floor((i % COLUMNS) / BLOCK)];
    if (down === 1 && across === 1) return 0;
    const exponent = ((i * 31) % 13) - 10 + 3 * down - 20 * across;
    return ((((i * 7919) % 2003) - 1001) / 1024) * 2 ** exponent;
  });
}

function quantized(powersOfTwo: boolean): { codes: Uint8Array; scales: Float32Array } {
  const codes = new Uint8Array(ROWS * COLUMNS);
  const scales = new Float32Array(6);
  const blocks = { columns: COLUMNS, blockRows: BLOCK, blockColumns: BLOCK, powersOfTwo };
  quantizeFloat8(numbers(), blocks, codes, scales);
  return { codes, scales };
}

describe("codes and scales are those of transformers", () => {
  it("with scales in F32", () => {
    const { codes, scales } = quantized(false);
    expect(sha256(codes)).toBe("974dbc26709b1481c64ce95900bd328ef1dadeddc934f4f7349ddac7253000b0");
    expect([...new Uint32Array(scales.buffer)].map((bits) => bits.toString(16).padStart(8, "0"))).toEqual([
      "3c0f0000",
      "320eb6db",
      "280f0000",
      "3d8eb6db",
      "3f800000",
      "298f0000",
    ]);
  });

  it("with powers of two", () => {
    const { codes, scales } = quantized(true);
    expect(sha256(codes)).toBe("8f5b9609f1fc69a9bbce660e610aefd0dba58ee075eeb4384960bdb11f0e18cb");
    expect([...scales]).toEqual([0x79, 0x65, 0x51, 0x7c, 0x7f, 0x54].map(e8m0ToFloat));
  });
});

/** transformers 5.24 with PyTorch 2.15, one weight per block: bits of the scale, where 448 ÷ x is another f32 than (1 ÷ x) × 448. */
it.each([
  [3 / 1024, 0x36db6db6],
  [227 / 1024, 0x3a01b6dc],
  [479 / 1024, 0x3a88db6d],
])("the scale of %f is that of transformers", (value, bits) => {
  const scales = new Float32Array(1);
  const blocks = { columns: 1, blockRows: 1, blockColumns: 1, powersOfTwo: false };
  quantizeFloat8(Float32Array.of(value), blocks, new Uint8Array(1), scales);
  expect(new Uint32Array(scales.buffer)[0]).toBe(bits);
});

describe("numbers at the ends of f32", () => {
  const one = (value: number, powersOfTwo = false): { code: number; scale: number } => {
    const codes = new Uint8Array(1);
    const scales = new Float32Array(1);
    quantizeFloat8(
      Float32Array.of(value),
      { columns: 1, blockRows: 1, blockColumns: 1, powersOfTwo },
      codes,
      scales,
    );
    return { code: codes[0] ?? -1, scale: scales[0] ?? -1 };
  };

  it("a block of subnormal numbers becomes 0, and no NaN", () => {
    expect(one(2 ** -140)).toEqual({ code: 0, scale: 1 });
    expect(one(2 ** -140, true)).toEqual({ code: 0, scale: 1 });
  });

  it("the largest f32 is 448 times its scale", () => {
    const largest = (2 - 2 ** -23) * 2 ** 127;
    const { code, scale } = one(-largest);
    expect(code).toBe(0xfe);
    expect(Math.abs((448 * scale) / largest - 1)).toBeLessThan(2 ** -22);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("%f is refused", (value) => {
    expect(() => one(value)).toThrow(ConversionError);
  });
});
