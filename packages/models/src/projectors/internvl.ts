/** InternVL: InternViT, whose patches are shuffled into fewer (llama.cpp, conversion/internvl.py). */
import { same } from "../architectures/tensors.ts";
import { activation, count, countIfAny, epsilon, text } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { fusedThirds } from "./tensors.ts";

const embeddings = "vision_model.embeddings";
const layer = "vision_model.encoder.layers.{layer}";

/** A side of a square; old configs give both sides. */
function side(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

/** A count that is written unless it is 0. */
function positive(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

export const internvl: Projector = {
  type: "internvl",
  classes: ["InternVLChatModel"],
  encoder: "vision",
  defaults: { layer_norm_eps: 1e-6, hidden_act: "gelu" },
  settings: (encoder) => {
    const { image_size: image, patch_size: patch } = encoder;
    const sides = { image_size: side(image), patch_size: side(patch) };
    return Object.fromEntries(
      Object.entries({ ...encoder, ...sides }).filter(([, value]) => value !== undefined),
    ) as typeof encoder;
  },
  parameters: [
    text("clip.projector_type", "internvl"),
    epsilon("vision", 1e-6),
    ...activation,
    count("clip.vision.projector.scale_factor", ({ root }) =>
      Math.floor(1 / (root.number("downsample_ratio") ?? 0.5)),
    ),
    countIfAny("clip.vision.preproc_min_tiles", ({ root }) => positive(root.count("min_dynamic_patch"))),
    countIfAny("clip.vision.preproc_max_tiles", ({ root }) => positive(root.count("max_dynamic_patch"))),
  ],
  tensors: [
    same("mlp1.{layer}.*", "mm.model.mlp.{layer}.*"),
    same(`${embeddings}.class_embedding`, "v.class_embd"),
    same(`${embeddings}.patch_embedding.*`, "v.patch_embd.*"),
    same(`${embeddings}.position_embedding`, "v.position_embd.weight"),
    same(`${layer}.attn.proj.*`, "v.blk.{layer}.attn_out.*"),
    fusedThirds(`${layer}.attn.qkv.*`),
    same(`${layer}.attn.q_norm.weight`, "v.blk.{layer}.attn_q_norm.weight"),
    same(`${layer}.attn.k_norm.weight`, "v.blk.{layer}.attn_k_norm.weight"),
    same(`${layer}.ls1`, "v.blk.{layer}.ls1.weight"),
    same(`${layer}.ls2`, "v.blk.{layer}.ls2.weight"),
    same(`${layer}.mlp.fc1.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.fc2.*`, "v.blk.{layer}.ffn_down.*"),
    same(`${layer}.norm1.*`, "v.blk.{layer}.ln1.*"),
    same(`${layer}.norm2.*`, "v.blk.{layer}.ln2.*"),
  ],
};
