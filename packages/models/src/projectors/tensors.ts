/** Tensor rules that several projectors share. */
import { elementCount } from "@requant/core";
import type { TensorRule } from "../architectures/architecture.ts";
import { splitEvenly } from "../architectures/split-tensors.ts";
import { same } from "../architectures/tensors.ts";
import type { RowOrder } from "../row-order.ts";

/** The layers of SigLIP and of encoders with its names, under `prefix`. */
export function siglip(prefix: string): readonly TensorRule[] {
  const layer = `${prefix}.encoder.layers.{layer}`;
  return [
    same(`${prefix}.embeddings.patch_embedding.*`, "v.patch_embd.*"),
    same(`${prefix}.embeddings.position_embedding.weight`, "v.position_embd.weight"),
    same(`${layer}.layer_norm1.*`, "v.blk.{layer}.ln1.*"),
    same(`${layer}.layer_norm2.*`, "v.blk.{layer}.ln2.*"),
    same(`${layer}.mlp.fc1.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.fc2.*`, "v.blk.{layer}.ffn_down.*"),
    same(`${layer}.self_attn.q_proj.*`, "v.blk.{layer}.attn_q.*"),
    same(`${layer}.self_attn.k_proj.*`, "v.blk.{layer}.attn_k.*"),
    same(`${layer}.self_attn.v_proj.*`, "v.blk.{layer}.attn_v.*"),
    same(`${layer}.self_attn.out_proj.*`, "v.blk.{layer}.attn_out.*"),
    same(`${prefix}.post_layernorm.*`, "v.post_ln.*"),
  ];
}

/** Fused q, k and v, cut into three. */
export function fusedThirds(hf: string): TensorRule {
  return splitEvenly(
    hf,
    ["q", "k", "v"].map((part) => `v.blk.{layer}.attn_${part}.*`),
  );
}

/** The patches of two neighbouring frames, `[out, channels, 2, height, width]`: one tensor for each frame. */
export function framePatches(hf: string): TensorRule {
  const gguf = ["v.patch_embd.weight", "v.patch_embd.weight.1"];
  return {
    hf: [hf],
    gguf,
    toGguf: ([names], { shapeOf }) => {
      const tensor = names?.[0] ?? "";
      const [out = 1, channels = 1, frames = 1, height = 1, width = 1] = shapeOf(tensor);
      return gguf.map((_, frame) => ({
        shape: [out, channels, height, width],
        inputs: [
          {
            tensor,
            rowOrder: {
              kind: "view",
              view: [out, channels, frames, height],
              ranges: [null, null, [frame, frame + 1], null],
            },
          },
        ],
      }));
    },
    toHf: (parts, { shapeOf }) => {
      const [out = 1, channels = 1, height = 1, width = 1] = shapeOf(parts[0] ?? "");
      const rowOrder: RowOrder = {
        kind: "view",
        view: [parts.length, out, channels, height],
        axes: [1, 2, 0, 3],
      };
      const join = parts.map((tensor) => ({ tensor }));
      return [[{ shape: [out, channels, parts.length, height, width], inputs: [{ join, rowOrder }] }]];
    },
  };
}

const COLOURS = 3;

/**
 * Patches as rows of a matrix, `[out, side × side × channels]`, and as the weights of a convolution.
 * @param known the side of a patch; without it, the patches have three colours.
 */
export function linearPatches(hf: string, gguf: string, known?: number): TensorRule {
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], { shapeOf }) => {
      const tensor = names?.[0] ?? "";
      const [out = 1, ...rest] = shapeOf(tensor);
      const side = known ?? Math.floor(Math.sqrt(elementCount(rest) / COLOURS));
      const channels = elementCount(rest) / (side * side);
      const rowOrder: RowOrder = { kind: "view", view: [out, side, side, channels], axes: [0, 3, 1, 2] };
      return [{ shape: [out, channels, side, side], inputs: [{ tensor, rowLength: 1, rowOrder }] }];
    },
    toHf: ([name], { shapeOf }) => {
      const tensor = name ?? "";
      const [out = 1, channels = 1, side = 1] = shapeOf(tensor);
      const rowOrder: RowOrder = { kind: "view", view: [out, channels, side, side], axes: [0, 2, 3, 1] };
      return [[{ shape: [out, side * side * channels], inputs: [{ tensor, rowLength: 1, rowOrder }] }]];
    },
  };
}
