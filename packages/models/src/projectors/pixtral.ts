/** Pixtral, in Llava's form and in that of Mistral Small 3.1 with merged patches (llama.cpp, conversion/llava.py). */
import { rotary, same } from "../architectures/tensors.ts";
import { objectField, textField } from "../json.ts";
import { activation, countIfAny, epsilon, text } from "./parameters.ts";
import type { Projector } from "./projector.ts";

const layer = "vision_tower.transformer.layers.{layer}";

export const pixtral: Projector = {
  type: "pixtral",
  classes: ["LlavaForConditionalGeneration", "Mistral3ForConditionalGeneration"],
  claims: (config) => textField(objectField(config, "vision_config"), "model_type") === "pixtral",
  encoder: "vision",
  defaults: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    image_size: 1024,
    patch_size: 16,
    hidden_act: "gelu",
    layer_norm_eps: 1e-5,
  },
  parameters: [
    text("clip.projector_type", "pixtral"),
    epsilon("vision", 1e-5),
    ...activation,
    countIfAny("clip.vision.spatial_merge_size", ({ root }) => root.count("spatial_merge_size")),
  ],
  tensors: [
    same("multi_modal_projector.linear_{layer}.*", "mm.{layer}.*"),
    same("multi_modal_projector.norm.weight", "mm.input_norm.weight"),
    same("multi_modal_projector.patch_merger.merging_layer.weight", "mm.patch_merger.weight"),
    same("vision_tower.ln_pre.weight", "v.pre_ln.weight"),
    same("vision_tower.patch_conv.weight", "v.patch_embd.weight"),
    rotary(`${layer}.attention.q_proj.weight`, "v.blk.{layer}.attn_q.weight", (config) =>
      config.need("num_attention_heads"),
    ),
    rotary(`${layer}.attention.k_proj.weight`, "v.blk.{layer}.attn_k.weight", (config) =>
      config.need("num_attention_heads"),
    ),
    same(`${layer}.attention.v_proj.weight`, "v.blk.{layer}.attn_v.weight"),
    same(`${layer}.attention.o_proj.weight`, "v.blk.{layer}.attn_out.weight"),
    same(`${layer}.attention_norm.weight`, "v.blk.{layer}.ln1.weight"),
    same(`${layer}.feed_forward.gate_proj.weight`, "v.blk.{layer}.ffn_gate.weight"),
    same(`${layer}.feed_forward.up_proj.weight`, "v.blk.{layer}.ffn_up.weight"),
    same(`${layer}.feed_forward.down_proj.weight`, "v.blk.{layer}.ffn_down.weight"),
    same(`${layer}.ffn_norm.weight`, "v.blk.{layer}.ln2.weight"),
  ],
};
