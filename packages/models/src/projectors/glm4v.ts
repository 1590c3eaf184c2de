/** GLM-4.1V and GLM-4.5V: patches merged by a convolution, a gated projector (llama.cpp, conversion/glm.py, `Glm4VVisionModel`). */
import { same } from "../architectures/tensors.ts";
import { activation, real, text } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { framePatches } from "./tensors.ts";

const layer = "visual.blocks.{layer}";

export const glm4v: Projector = {
  type: "glm4v",
  classes: ["Glm4vForConditionalGeneration", "Glm4vMoeForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    depth: 24,
    hidden_size: 1536,
    hidden_act: "silu",
    num_heads: 12,
    image_size: 336,
    patch_size: 14,
    rms_norm_eps: 1e-5,
    intermediate_size: 13696,
  },
  parameters: [
    text("clip.projector_type", "glm4v"),
    ...activation,
    real("clip.vision.attention.layer_norm_epsilon", ({ encoder }) => encoder.number("rms_norm_eps") ?? 1e-5),
  ],
  prefix: "model.",
  tensors: [
    same(`${layer}.attn.proj.*`, "v.blk.{layer}.attn_out.*"),
    same(`${layer}.attn.qkv.*`, "v.blk.{layer}.attn_qkv.*"),
    same(`${layer}.mlp.down_proj.*`, "v.blk.{layer}.ffn_down.*"),
    same(`${layer}.mlp.gate_proj.*`, "v.blk.{layer}.ffn_gate.*"),
    same(`${layer}.mlp.up_proj.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.norm1.*`, "v.blk.{layer}.ln1.*"),
    same(`${layer}.norm2.*`, "v.blk.{layer}.ln2.*"),
    same("visual.downsample.*", "mm.patch_merger.*"),
    same("visual.embeddings.position_embedding.weight", "v.position_embd.weight"),
    same("visual.merger.down_proj.*", "mm.down.*"),
    same("visual.merger.gate_proj.*", "mm.gate.*"),
    same("visual.merger.up_proj.*", "mm.up.*"),
    same("visual.merger.post_projection_norm.*", "mm.post_norm.*"),
    same("visual.merger.proj.*", "mm.model.fc.*"),
    framePatches("visual.patch_embed.proj.weight"),
    same("visual.patch_embed.proj.bias", "v.patch_embd.bias"),
    same("visual.post_conv_layernorm.*", "v.norm_embd.*"),
    same("visual.post_layernorm.*", "v.post_ln.*"),
  ],
};
