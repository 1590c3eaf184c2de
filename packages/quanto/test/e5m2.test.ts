/** quanto's `qfloat8_e5m2`. Oracle: an E5M2 code is the upper byte of an f16 number. */
import { halfToFloat } from "@requant/core";
import { quantoCodec, quantoFormat } from "@requant/quanto";
import { expect, test } from "vitest";

test("E5M2 codes are read, and no view claims to hold them", async () => {
  const parts = [
    { suffix: "weight._data", encoding: "F8_E5M2", shape: [2, 128] },
    { suffix: "weight._scale", encoding: "F32", shape: [2, 1] },
  ];
  const scales = Float32Array.of(0.0123, 3);
  const bytes = {
    "weight._data": Uint8Array.from({ length: 256 }, (_, code) => code),
    "weight._scale": new Uint8Array(scales.buffer),
  };
  const values = new Float32Array(256);
  quantoCodec.open(quantoCodec.readLayout(parts, {}), bytes).dequantize(0, 2, values);
  expect(values).toEqual(values.map((_, code) => halfToFloat(code << 8) * (scales[code >> 7] ?? 0)));
  const stored = parts.map((part) => ({ ...part, name: `m.${part.suffix}`, byteLength: 0 }));
  const hints = { config: {}, shapeOf: () => undefined, read: async () => new Uint8Array(0) };
  const weight = await quantoFormat.reader(undefined, hints, {}).openable("m", stored, {});
  expect(weight.examine(bytes)).toMatchObject({
    facts: undefined,
    settings: { variant: "qfloat8_e5m2" },
    noView: { reason: expect.stringContaining("E5M2") },
  });
});
