/** Parts that contradict each other. Oracle: torchao's Float8Tensor has no zero_point (quantize_/workflows/float8). */
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
