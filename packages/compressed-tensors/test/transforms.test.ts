import { compressedTensorsFormat } from "@requant/compressed-tensors";
import { describe, expect, it, test } from "vitest";
import { foldHadamard, inputTransforms, transformsOf, unfoldableTransform } from "../src/transforms.ts";

/** A configuration with one transform. */
const settings = (group: object, apply: object): Record<string, unknown> => ({
  transform_config: {
    config_groups: { v: { type: "hadamard", ...group, apply: [{ targets: ["Linear"], ...apply }] } },
  },
});

describe("a transform while the model runs", () => {
  it.each([
    ["at the input, of a size that is known", { head_dim: 64 }, { location: "input" }, undefined],
    ["at the input, of whole rows", {}, { location: "input", inverse: true }, undefined],
    ["of queries", {}, { location: "q_attn" }, undefined],
    ["of the key-value cache", {}, { location: "k_cache" }, undefined],
    ["that is in the weights", { type: "random-matrix" }, { location: "weight_output" }, undefined],
    ["at the output", {}, { location: "output" }, 'transform_config "v" at "output"'],
    [
      "of random signs",
      { type: "random-hadamard" },
      { location: "input" },
      'transform_config "v" at "input"',
    ],
    ["in a random order", { randomize: true }, { location: "input" }, 'transform_config "v" at "input"'],
    ["that was trained", { requires_grad: true }, { location: "input" }, 'transform_config "v" at "input"'],
    ["of an odd size", { head_dim: 96 }, { location: "input" }, 'transform_config "v" at "input"'],
    ["of no module", {}, { location: "input", targets: [] }, 'transform_config "v" at "input"'],
    ["at an unknown place", {}, { location: "middle" }, 'transform_config "v" at "middle"'],
  ])("%s", (_, group, apply, refusal) => {
    expect(unfoldableTransform(settings(group, apply), true)).toBe(refusal);
  });

  it("is not brought into weights of other methods", () => {
    expect(unfoldableTransform(settings({}, { location: "input" }), false)).toBe(
      'transform_config "v" at "input"',
    );
  });

  it("is about the modules that it targets and does not ignore", () => {
    const all = inputTransforms(settings({}, { location: "input", ignore: ["lm_head", "re:.*gate"] }));
    const count = (module: string): number => transformsOf(all, module).length;
    expect(["model.layers.0.mlp.up_proj", "lm_head", "model.layers.0.mlp.gate_proj"].map(count)).toEqual([
      1, 0, 0,
    ]);
    expect(count("model.embed_tokens")).toBe(0);
  });
});

test("folding is a product with Sylvester's matrix over the root of its size", () => {
  // rows of H_4 ÷ 2 by hand
  const half = 0.5;
  const matrix = [
    [half, half, half, half],
    [half, -half, half, -half],
    [half, half, -half, -half],
    [half, -half, -half, half],
  ];
  for (let row = 0; row < 4; row++) {
    const unit = new Float32Array(4);
    unit[row] = 1;
    foldHadamard(unit, 4);
    expect([...unit]).toEqual(matrix[row]);
  }
});

describe("finding weights", () => {
  const tensor = (name: string, encoding: string, shape: number[]) => ({
    name,
    encoding,
    shape,
    byteOffset: 0,
    byteLength: 0,
  });
  const own = (more: object = {}) => ({
    method: "compressed-tensors",
    format: "compressed-tensors",
    settings: { ...more },
  });
  const other = { method: "fp8", format: "fp8", settings: {} };
  const float8 = [
    tensor("a.weight", "F8_E4M3", [32, 32]),
    tensor("a.weight_scale", "F32", []),
    tensor("a.input_scale", "F32", []),
    tensor("norm.weight", "F32", [32]),
  ];
  const int8 = [tensor("a.weight", "I8", [32, 32]), tensor("a.weight_scale", "F32", [32, 1])];

  it("takes plain names only where the configuration is its own", () => {
    const find = compressedTensorsFormat.find.bind(compressedTensorsFormat);
    expect(find(float8, own()).map(({ parts }) => parts.map(({ suffix }) => suffix))).toEqual([
      ["weight", "weight_scale", "input_scale"],
    ]);
    expect(find(float8, other)).toEqual([]);
    expect(find(float8, undefined)).toEqual([]);
    expect(find(int8, undefined)).toHaveLength(1);
    expect(find(int8, other)).toEqual([]);
  });

  it("takes the matrix of a transform along with the weight that it is stored beside", () => {
    const packed = [
      tensor("a.weight_packed", "I32", [32, 4]),
      tensor("a.weight_scale", "F16", [32, 1]),
      tensor("a.weight_shape", "I64", [2]),
      tensor("a.v_input.weight", "BF16", [32, 32]),
    ];
    const [found, ...rest] = compressedTensorsFormat.find(packed, own(settings({}, { location: "input" })));
    expect(found?.parts).toHaveLength(4);
    expect(rest).toEqual([]);
  });

  it("does not take a float weight beside a packed one", () => {
    const both = [...float8, tensor("a.weight_packed", "U8", [32, 16])];
    const [found] = compressedTensorsFormat.find(both, own());
    expect(found?.parts.map(({ suffix }) => suffix)).not.toContain("weight");
  });
});
