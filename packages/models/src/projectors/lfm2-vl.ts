/** LFM2-VL: SigLIP 2 with patches of 16 × 16 as rows of a matrix (llama.cpp, conversion/lfm2.py). */
import { UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { same } from "../architectures/tensors.ts";
import { string } from "../metadata-values.ts";
import { count, epsilon, text, yes } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { linearPatches, siglip } from "./tensors.ts";

const tower = "vision_tower.vision_model";
const PATCH_SIDE = 16;

/** How images are made smaller, by PIL's number for it. */
const resampling: Readonly<Record<string, string>> = { "1": "lanczos", "2": "bilinear", "3": "bicubic" };

export const lfm2Vl: Projector = {
  type: "lfm2",
  classes: ["Lfm2VlForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    patch_size: PATCH_SIDE,
    layer_norm_eps: 1e-6,
  },
  // images have any size: llama.cpp's converter writes this one
  settings: (encoder) => ({ ...encoder, image_size: 256 }),
  parameters: [
    text("clip.projector_type", "lfm2"),
    epsilon("vision", 1e-6),
    count("clip.vision.projector.scale_factor", ({ root }) => root.count("downsample_factor") ?? 2),
    yes("clip.use_gelu"),
    // the layers behind the one whose output is taken, counted from the end, are not computed
    count("clip.vision.block_count", ({ encoder, root }) => {
      return encoder.need("num_hidden_layers") + ((root.number("vision_feature_layer") ?? -1) + 1);
    }),
    {
      key: "clip.vision.image_resize_algo",
      value({ preprocessor }) {
        const number = preprocessor.get("resample");
        if (number === undefined || number === null) return undefined;
        const name = resampling[String(number)];
        if (name !== undefined) return string(name);
        throw new UnsupportedError(`The way ${quoted(number)} to make images smaller has no name in GGUF.`, {
          path: "preprocessor_config.json",
          hint: "The setting resample must be 1, 2 or 3.",
        });
      },
    },
  ],
  prefix: "model.",
  tensors: [
    same("multi_modal_projector.layer_norm.*", "mm.input_norm.*"),
    same("multi_modal_projector.linear_{layer}.*", "mm.{layer}.*"),
    linearPatches(`${tower}.embeddings.patch_embedding.weight`, "v.patch_embd.weight", PATCH_SIDE),
    ...siglip(tower),
  ],
};
