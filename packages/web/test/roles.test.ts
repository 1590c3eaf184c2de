import { describe, expect, it } from "vitest";
import { bitsOf, roleMap } from "../src/pictures/role-map.ts";
import { placeOf } from "../src/pictures/roles.ts";

/** Names as the files of published models have them, and what the weights do there. */
const known: readonly (readonly [name: string, layer: number | undefined, role: string])[] = [
  ["model.embed_tokens.weight", undefined, "embedding"],
  ["token_embd.weight", undefined, "embedding"],
  ["model.layers.11.self_attn.q_proj.weight", 11, "attn q"],
  ["blk.11.attn_q.weight", 11, "attn q"],
  ["model.layers.0.self_attn.q_proj.bias", 0, "bias"],
  ["model.layers.0.self_attn.o_proj.weight", 0, "attn out"],
  ["blk.3.attn_output.weight", 3, "attn out"],
  ["blk.3.attn_norm.weight", 3, "norm"],
  ["model.layers.3.post_attention_layernorm.weight", 3, "norm"],
  ["model.norm.weight", undefined, "norm"],
  ["blk.3.ffn_down.weight", 3, "ffn down"],
  ["blk.3.ffn_down_exps.weight", 3, "experts down"],
  ["blk.3.ffn_up_shexp.weight", 3, "shared up"],
  ["blk.3.ffn_gate_inp.weight", 3, "router"],
  ["model.layers.3.mlp.gate.weight", 3, "router"],
  ["model.layers.3.block_sparse_moe.experts.7.w2.weight", 3, "experts down"],
  ["model.layers.3.mlp.experts.127.gate_proj.weight", 3, "experts gate"],
  ["model.layers.3.mlp.shared_experts.up_proj.weight", 3, "shared up"],
  ["transformer.h.5.attn.c_attn.weight", 5, "attn qkv"],
  ["transformer.h.5.attn.c_proj.weight", 5, "attn out"],
  ["transformer.h.5.mlp.c_proj.weight", 5, "ffn down"],
  ["encoder.layer.2.attention.output.dense.weight", 2, "encoder attn out"],
  ["encoder.layer.2.output.dense.weight", 2, "encoder ffn down"],
  ["vision_tower.blocks.1.attn.qkv.weight", 1, "vision_tower attn qkv"],
  ["lm_head.weight", undefined, "head"],
  ["output.weight", undefined, "head"],
  ["blk.4.ssm_conv1d.weight", 4, "ssm_conv1d"],
];

describe("roles of tensors", () => {
  it.each(known)("%s", (name, layer, role) => {
    expect(placeOf(name)).toEqual({ layer, role });
  });
});

const tensor = (name: string, byteLength: number) => ({
  name,
  shape: [2, 32],
  encoding: "F32",
  byteOffset: 0,
  byteLength,
  file: "a",
});

describe("the map of roles", () => {
  it("weighs the bits of a cell by its weights, and leaves scales out", () => {
    const map = roleMap([
      tensor("model.layers.0.mlp.experts.0.up_proj.weight", 32),
      tensor("model.layers.0.mlp.experts.1.up_proj.weight", 64),
      { ...tensor("model.layers.0.mlp.experts.1.up_proj.scale", 999), partOf: "model" },
      tensor("model.layers.1.self_attn.q_proj.weight", 128),
      tensor("lm_head.weight", 256),
    ]);
    expect(map.roles).toEqual(["attn q", "experts up", "head"]);
    expect(map.rows.map(({ layer }) => layer)).toEqual([0, 1, undefined]);
    const bits = map.rows.map(({ cells }) => cells.map((cell) => (cell === undefined ? "" : bitsOf(cell))));
    expect(bits).toEqual([
      ["", 6, ""],
      [16, "", ""],
      ["", "", 32],
    ]);
    expect(map.totals.map(bitsOf)).toEqual([16, 6, 32]);
  });

  it("stays small for a file with many layers and names", () => {
    const tensors = Array.from({ length: 20_000 }, (_, index) =>
      tensor(`blk.${String(index)}.part_${String(index % 100)}.weight`, 64),
    );
    const map = roleMap([...tensors, tensor("output.weight", 64)]);
    expect(map.roles).toHaveLength(32);
    expect(map.roles.at(-1)).toBe("other");
    expect(map.rows).toHaveLength(256);
    expect(map.rows.at(-1)?.layer).toBeUndefined();
    expect(map.hiddenLayers).toBe(20_001 - 256);
    const counted = map.totals.reduce((sum, total) => sum + total.tensors.length, 0);
    expect(counted).toBe(20_001);
  });
});
