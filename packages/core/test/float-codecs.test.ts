import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  BF16,
  type BlockCodec,
  bfloatToFloat,
  F16,
  F32,
  floatToBfloat,
  floatToHalf,
  halfToFloat,
  UsageError,
} from "@requant/core";
import { describe, expect, test } from "vitest";

/** Oracle: libggml 0.27.0, see vectors/README.md. */
const vectors = new URL("./vectors/", import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, vectors)));
const golden = process.env["REQUANT_GOLDEN"];

const allHalfToFloatSha256 = "b636c5716ff84d972782faf02d0194cb8951526bea4cc487082feb47b1860ddf";
const allBfloatToFloatSha256 = "9207d7eb28680a098c73dbe536d1ff7b94311dc417b9a385e0af6660683e93ca";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (array: Float32Array | Uint16Array | Uint32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const allCodes = (): Uint8Array => bytesOf(Uint16Array.from({ length: 0x10000 }, (_, code) => code));

/** The same bytes at an odd address, where a Uint16Array view is impossible. */
function misaligned(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.byteLength + 1).subarray(1);
  copy.set(bytes);
  return copy;
}

function quantized(codec: BlockCodec, values: Float32Array, out: Uint8Array): Uint8Array {
  codec.quantize?.(values, values.length, out);
  return out;
}

/** f32 values of bit patterns, without a NaN ever being loaded as a number. */
const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

describe.each([
  { codec: F16, sha: allHalfToFloatSha256, vector: "convert.f16.u16.bin" },
  { codec: BF16, sha: allBfloatToFloatSha256, vector: "convert.bf16.u16.bin" },
])("$codec.name matches ggml bit for bit", ({ codec, sha, vector }) => {
  test("all 65536 codes to f32, NaN payloads included", () => {
    const out = new Float32Array(0x10000);
    codec.dequantize(allCodes(), out);
    expect(sha256(bytesOf(out))).toBe(sha);
  });

  test("all 65536 codes to f32 from an odd address", () => {
    const out = new Float32Array(0x10000);
    codec.dequantize(misaligned(allCodes()), out);
    expect(sha256(bytesOf(out))).toBe(sha);
  });

  test("f32 to codes: specials, ties, subnormals, NaNs", () => {
    const values = floatsOf(read("convert.in.u32.bin"));
    expect(quantized(codec, values, new Uint8Array(2048))).toEqual(read(vector));
    expect(quantized(codec, values, misaligned(new Uint8Array(2048)))).toEqual(read(vector));
  });

  test("every code that is not NaN is the same after the way to f32 and back", () => {
    const codes = allCodes();
    const values = new Float32Array(0x10000);
    codec.dequantize(codes, values);
    const back = quantized(codec, values, new Uint8Array(codes.byteLength));
    const changed = new Uint16Array(back.buffer).filter((code, i) => code !== i && !Number.isNaN(values[i]));
    expect(changed).toHaveLength(0);
  });

  test.skipIf(golden === undefined)("the golden matrix (skipped: REQUANT_GOLDEN is not set)", () => {
    const folder = join(golden ?? "", "gguf", "vectors");
    const values = floatsOf(readFileSync(join(folder, "input.f32.bin")));
    const name = codec.name.toLowerCase();
    const codes = new Uint8Array(readFileSync(join(folder, `${name}.q.bin`)));
    expect(quantized(codec, values, new Uint8Array(codes.byteLength))).toEqual(codes);
    const out = new Float32Array(values.length);
    codec.dequantize(codes, out);
    expect(Buffer.from(out.buffer).equals(readFileSync(join(folder, `${name}.deq.f32.bin`)))).toBe(true);
  });
});

describe("F32", () => {
  test("copies bits both ways, signalling NaNs included, from any address", () => {
    const bits = read("convert.in.u32.bin");
    const out = new Float32Array(1024);
    F32.dequantize(misaligned(bits), out);
    expect(bytesOf(out)).toEqual(bits);
    expect(quantized(F32, out, misaligned(new Uint8Array(4096)))).toEqual(bits);
  });
});

describe("single values", () => {
  // IEEE 754 values by definition, not by this code
  test.each([
    [0x0000, 0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x03ff, 1023 * 2 ** -24],
    [0x0001, 2 ** -24],
    [0x8001, -(2 ** -24)],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0x3555, 1365 * 2 ** -12],
  ])("f16 0x%s is %d", (code, value) => {
    expect(halfToFloat(code)).toBe(value);
    expect(floatToHalf(value)).toBe(code);
  });

  test("f16 rounding at its edges", () => {
    expect(floatToHalf(65519.996)).toBe(0x7bff);
    expect(floatToHalf(65520)).toBe(0x7c00);
    expect(floatToHalf(2 ** -25)).toBe(0);
    expect(floatToHalf(2 ** -25 * 1.0001)).toBe(1);
    expect(floatToHalf(-0)).toBe(0x8000);
    expect(floatToHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(floatToHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(floatToHalf(Number.NaN) & 0x7fff).toBe(0x7e00);
  });

  test.each([
    [0x3f80, 1],
    [0xc000, -2],
    [0x0001, 2 ** -133],
    [0x7f80, Number.POSITIVE_INFINITY],
  ])("bf16 0x%s is %d", (code, value) => {
    expect(bfloatToFloat(code)).toBe(value);
    expect(floatToBfloat(value)).toBe(code);
  });

  test("bf16 rounding at its edges", () => {
    expect(floatToBfloat(1 + 2 ** -8)).toBe(0x3f80);
    expect(floatToBfloat(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(floatToBfloat(3.4028234663852886e38)).toBe(0x7f80);
  });
});

describe.each([F32, F16, BF16])("lengths of $name", (codec) => {
  const bytes = codec.blockByteLength;
  test("refuses bytes that do not fit the weights", () => {
    expect(() => codec.dequantize(new Uint8Array(3 * bytes), new Float32Array(4))).toThrow(UsageError);
    expect(() => codec.quantize?.(new Float32Array(4), 4, new Uint8Array(3 * bytes))).toThrow(UsageError);
    expect(() => codec.quantize?.(new Float32Array(4), 3, new Uint8Array(4 * bytes))).toThrow(UsageError);
    expect(() => codec.quantize?.(new Float32Array(4), 0, new Uint8Array(4 * bytes))).toThrow(UsageError);
  });
  test("touches nothing outside its arrays", () => {
    const floats = new Float32Array(6).fill(7);
    codec.dequantize(new Uint8Array(4 * bytes), floats.subarray(1, 5));
    expect([...floats]).toEqual([7, 0, 0, 0, 0, 7]);
  });
});
