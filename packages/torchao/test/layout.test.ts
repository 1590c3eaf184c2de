/** Parts that contradict each other. Oracle: torchao's Float8Tensor has no zero_point (quantize_/workflows/float8). */
import { halfToFloat } from "@requant/core";
import { torchaoCodec } from "@requant/torchao";
import { expect, test } from "vitest";

test("zero points beside 8-bit floats are refused", () => {
  const parts = [
    { suffix: "_weight_qdata", encoding: "F8_E4M3", shape: [2, 4] },
    { suffix: "_weight_scale", encoding: "F32", shape: [2, 1] },
    { suffix: "_weight_zero_point", encoding: "I8", shape: [2, 1] },
  ];
  expect(torchaoCodec.readLayout(parts.slice(0, 2), undefined)).toMatchObject({ kind: "float8", rows: 2 });
  expect(() => torchaoCodec.readLayout(parts, undefined)).toThrow(
    "The part _weight_zero_point belongs to integers",
  );
});

test("E5M2 codes are read: each is the upper byte of an f16 number", () => {
  const parts = [
    { suffix: "_weight_qdata", encoding: "F8_E5M2", shape: [2, 128] },
    { suffix: "_weight_scale", encoding: "F32", shape: [2, 1] },
  ];
  const layout = torchaoCodec.readLayout(parts, undefined);
  const scales = Float32Array.of(0.0123, 3);
  const bytes = {
    _weight_qdata: Uint8Array.from({ length: 256 }, (_, code) => code),
    _weight_scale: new Uint8Array(scales.buffer),
  };
  const values = new Float32Array(256);
  torchaoCodec.open(layout, bytes, {}).dequantize(0, 2, values);
  const expected = values.map((_, code) => halfToFloat(code << 8) * (scales[code >> 7] ?? 0));
  expect(values).toEqual(expected);
  expect(torchaoCodec.measure(layout, bytes, {})).toBeUndefined();
});
