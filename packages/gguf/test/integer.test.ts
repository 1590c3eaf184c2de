import { describe, expect, it } from "vitest";
import { I8, I16, I32, I64 } from "../src/index.ts";

describe("integers of floats (ours: ggml has no such conversion)", () => {
  it("rounds to nearest, ties to even, and saturates", () => {
    const values = Float32Array.of(
      0.5,
      1.5,
      -0.5,
      2.5,
      -2.6,
      300,
      -300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    );
    const out = new Int8Array(values.length);
    I8.quantize?.(values, values.length, new Uint8Array(out.buffer));
    expect([...out]).toEqual([0, 2, 0, 2, -3, 127, -128, 0, 127]);
  });

  it.each([
    [I16, [-32768, 32767, -1, 0], "0080ff7fffff0000"],
    [I32, [-2147483648, 2147483648, 16777216, -1], "00000080ffffff7f00000001ffffffff"],
    [
      I64,
      [2 ** 63, -(2 ** 63), 2 ** 40, -1],
      "ffffffffffffff7f0000000000000080" + "0000000000010000ffffffffffffffff",
    ],
  ])("%o stores little-endian two's complement", (codec, values, hex) => {
    const out = new Uint8Array(values.length * codec.blockByteLength);
    codec.quantize?.(Float32Array.from(values), values.length, out);
    expect(Buffer.from(out).toString("hex")).toBe(hex);
  });
});
