import { F16 } from "@requant/core";
import { exl2Codec, parseExl2Config } from "@requant/exl2";
import { describe, expect, test } from "vitest";
import { goldenModels, modulePartsOf, sha256 } from "../../../fixtures/linear-cases.ts";

const models = goldenModels("exl2");
describe.skipIf(models.length === 0)("whole models (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each(models.map((model) => ({ name: model.name, model })))("$name", ({ model }) => {
    const { tensors, weights } = model;
    const config = parseExl2Config(model.quantizationConfig);
    expect(weights.length).toBeGreaterThan(0);
    for (const [module, expected] of weights) {
      const { parts, bytes } = modulePartsOf(tensors, module, exl2Codec.suffixes);
      const layout = exl2Codec.readLayout(parts, {}, { tensor: module });
      const values = new Float32Array(layout.rows * layout.columns);
      exl2Codec.open(layout, bytes, { tensor: module }).dequantize(0, layout.rows, values);
      const halves = new Uint8Array(2 * values.length);
      F16.quantize?.(values, layout.columns, halves);
      expect(sha256(halves), module).toBe(expected);

      expect(config.headBits).toBe(6);
    }
  });
});
