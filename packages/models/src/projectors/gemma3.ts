/** Gemma 3: SigLIP, pooled to fewer patches (llama.cpp, conversion/gemma.py, `Gemma3VisionModel`). */
import { same, shiftedNorm } from "../architectures/tensors.ts";
import { countIfAny, epsilon, text, yes } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { siglip } from "./tensors.ts";

/** Patches on a side of the image for each that is left, which llama.cpp assumes. */
const USUAL_SCALE = 4;

export const gemma3: Projector = {
  type: "gemma3",
  classes: ["Gemma3ForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    image_size: 224,
    patch_size: 16,
    layer_norm_eps: 1e-6,
  },
  parameters: [
    text("clip.projector_type", "gemma3"),
    epsilon("vision", 1e-6),
    yes("clip.use_gelu"),
    countIfAny("clip.vision.projector.scale_factor", ({ encoder, preprocessor }) => {
      const side = Math.floor(Math.sqrt(preprocessor.count("image_seq_length") ?? 256));
      const patches = Math.floor(encoder.need("image_size") / encoder.need("patch_size"));
      const scale = side === 0 ? 0 : Math.floor(patches / side);
      return scale === 0 || scale === USUAL_SCALE ? undefined : scale;
    }),
  ],
  tensors: [
    same("multi_modal_projector.mm_input_projection_weight", "mm.input_projection.weight"),
    shiftedNorm("multi_modal_projector.mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight"),
    ...siglip("vision_tower.vision_model"),
  ],
  types: [
    { name: /^mm\.input_projection\.weight$/, type: "F16" },
    { name: /^v\.patch_embd\.weight$/, type: "F32" },
  ],
};
