import { F16 } from "@requant/core";
import { examineGptq, gptqCodec, parseGptqConfig } from "@requant/gptq";
import { describe, expect, test } from "vitest";
import { goldenModels, modulePartsOf, sha256 } from "../../../fixtures/linear-cases.ts";

const models = goldenModels("gptq");
describe.skipIf(models.length === 0)("whole models (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each(models.map((model) => ({ name: model.name, model })))("$name", ({ model }) => {
    const { tensors, weights } = model;
    const config = parseGptqConfig(model.quantizationConfig);
    expect(weights.length).toBeGreaterThan(0);
    for (const [module, expected] of weights) {
      const { parts, bytes } = modulePartsOf(tensors, module, gptqCodec.suffixes);
      const layout = gptqCodec.readLayout(parts, config, { tensor: module });
      const values = new Float32Array(layout.rows * layout.columns);
      gptqCodec.open(layout, bytes, { tensor: module }).dequantize(0, layout.rows, values);
      const halves = new Uint8Array(2 * values.length);
      F16.quantize?.(values, layout.columns, halves);
      expect(sha256(halves), module).toBe(expected);

      const { findings, actOrder, symmetric } = examineGptq(layout, bytes, config);
      expect(findings).toEqual([]);
      expect(symmetric).toBe(config.sym);
      expect(actOrder).toBe(config.descAct ? "real" : "none");
    }
  });
});
