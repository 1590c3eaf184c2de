/** Idefics 3 and SmolVLM: SigLIP, whose patches are shuffled into fewer (llama.cpp, conversion/smolvlm.py). */
import { same } from "../architectures/tensors.ts";
import { numberField, objectField } from "../json.ts";
import { count, epsilon, text, yes } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { siglip } from "./tensors.ts";

export const idefics3: Projector = {
  type: "idefics3",
  classes: ["SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    hidden_size: 1152,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 16,
    image_size: 224,
    patch_size: 32,
    layer_norm_eps: 1e-6,
  },
  parameters: [
    text("clip.projector_type", "idefics3"),
    epsilon("vision", 1e-5),
    count("clip.vision.projector.scale_factor", ({ root }) => root.count("scale_factor") ?? 2),
    yes("clip.use_gelu"),
    count("clip.vision.preproc_image_size", ({ encoder, preprocessor }) => {
      const size = objectField(Object.fromEntries(preprocessor.values), "size");
      return numberField(size, "longest_edge") ?? encoder.need("image_size");
    }),
  ],
  prefix: "model.",
  tensors: [
    same("connector.modality_projection.proj.weight", "mm.model.fc.weight"),
    ...siglip("vision_model"),
  ],
  types: [{ name: /^v\.patch_embd\.weight$/, type: "F32" }],
};
