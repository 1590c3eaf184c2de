/** Llama 4: patches shuffled into fewer, two feed-forward layers and a projection (llama.cpp, conversion/llama4.py). */
import { UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { same } from "../architectures/tensors.ts";
import { bool } from "../metadata-values.ts";
import { count, real, text } from "./parameters.ts";
import type { Projector } from "./projector.ts";

const layer = "vision_model.model.layers.{layer}";

export const llama4: Projector = {
  type: "llama4",
  classes: ["Llama4ForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    hidden_size: 768,
    hidden_act: "gelu",
    num_hidden_layers: 34,
    num_attention_heads: 16,
    intermediate_size: 5632,
    image_size: 448,
    patch_size: 14,
    norm_eps: 1e-5,
    pixel_shuffle_ratio: 0.5,
  },
  parameters: [
    text("clip.projector_type", "llama4"),
    real("clip.vision.attention.layer_norm_epsilon", ({ encoder }) => encoder.number("norm_eps") ?? 1e-5),
    count("clip.vision.projector.scale_factor", ({ encoder }) =>
      Math.floor(1 / (encoder.number("pixel_shuffle_ratio") ?? 0.5)),
    ),
    {
      key: "clip.use_gelu",
      value({ encoder }) {
        const act = encoder.get("hidden_act");
        if (act === "gelu") return bool(true);
        throw new UnsupportedError(
          `The encoder's activation is ${quoted(act ?? null)}; only gelu is known.`,
          {
            path: "config.json",
            hint: "The setting is hidden_act of vision_config.",
          },
        );
      },
    },
  ],
  tensors: [
    same("multi_modal_projector.linear_1.weight", "mm.model.fc.weight"),
    same("vision_model.class_embedding", "v.class_embd"),
    same("vision_model.layernorm_post.*", "v.post_ln.*"),
    same("vision_model.layernorm_pre.*", "v.pre_ln.*"),
    same(`${layer}.input_layernorm.*`, "v.blk.{layer}.ln1.*"),
    same(`${layer}.mlp.fc1.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.fc2.*`, "v.blk.{layer}.ffn_down.*"),
    // llama.cpp's name is that of a norm behind the attention
    same(`${layer}.post_attention_layernorm.*`, "v.blk.{layer}.attn_post_norm.*"),
    same(`${layer}.self_attn.k_proj.*`, "v.blk.{layer}.attn_k.*"),
    same(`${layer}.self_attn.o_proj.*`, "v.blk.{layer}.attn_out.*"),
    same(`${layer}.self_attn.q_proj.*`, "v.blk.{layer}.attn_q.*"),
    same(`${layer}.self_attn.v_proj.*`, "v.blk.{layer}.attn_v.*"),
    same("vision_model.patch_embedding.linear.weight", "v.patch_embd.weight"),
    same("vision_model.positional_embedding_vlm", "v.position_embd.weight"),
    same("vision_model.vision_adapter.mlp.fc{layer}.*", "mm.model.mlp.{layer}.*"),
  ],
};
