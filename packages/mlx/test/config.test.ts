import { FormatError } from "@requant/core";
import { mlxFormat, parseMlxConfig, serializeMlxConfig } from "@requant/mlx";
import { describe, expect, test } from "vitest";

/** As mlx_lm.convert writes it with a recipe of mixed widths (mlx-lm, utils.py, `quantize_model`). */
const mixed = {
  group_size: 64,
  bits: 4,
  mode: "affine",
  "model.layers.0.mlp.down_proj": { group_size: 32, bits: 6, mode: "affine" },
};

describe("configuration", () => {
  test("reads and writes the settings of the model and of single modules", () => {
    const config = parseMlxConfig(mixed);
    expect(config).toMatchObject({ bits: 4, groupSize: 64, mode: "affine" });
    expect([...config.modules]).toEqual([
      ["model.layers.0.mlp.down_proj", { bits: 6, groupSize: 32, mode: "affine" }],
    ]);
    expect(
      serializeMlxConfig({ bits: 4, groupSize: 64, mode: "affine" }, [
        ["model.layers.0.mlp.down_proj", { bits: 6, groupSize: 32, mode: "affine" }],
      ]),
    ).toEqual(mixed);
  });

  test("stands under quantization in config.json", () => {
    expect(parseMlxConfig({ model_type: "llama", quantization: mixed }).modules.size).toBe(1);
  });

  test("older files have no mode, and flags for modules that stay floats", () => {
    const config = parseMlxConfig({ group_size: 64, bits: 4, "model.layers.0.mlp.gate": false });
    expect(config).toEqual({ bits: 4, groupSize: 64, mode: undefined, modules: new Map() });
  });

  test.each([7, { bits: "4", group_size: 64 }, { bits: 4, group_size: 64, lm_head: { bits: "8" } }])(
    "refuses %j",
    (json) => {
      expect(() => parseMlxConfig(json)).toThrow(FormatError);
    },
  );

  test("is recognised without a method: by two keys at two places", () => {
    const [method] = mlxFormat.methods;
    expect(method?.isSign?.(mixed, { quantization: mixed, quantization_config: mixed })).toBe(true);
    // GPTQ has both keys, and no `quantization`
    expect(method?.isSign?.({ bits: 4, group_size: 128, sym: true }, {})).toBe(false);
  });
});
