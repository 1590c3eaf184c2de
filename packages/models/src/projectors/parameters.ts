/** Metadata keys of projectors (gguf-py, constants.py, `Keys.Clip`). */
import { FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { Config } from "../config.ts";
import { bool, f32, numberArray, string, u32 } from "../metadata-values.ts";
import type { Projector, ProjectorParameter, ProjectorSettings } from "./projector.ts";

/** A count that must be there. */
export function count(key: string, of: (settings: ProjectorSettings) => number): ProjectorParameter {
  return { key, value: (settings) => u32(of(settings)) };
}

/** A count that is written where the settings have it. */
export function countIfAny(
  key: string,
  of: (settings: ProjectorSettings) => number | undefined,
): ProjectorParameter {
  return {
    key,
    value(settings) {
      const value = of(settings);
      return value === undefined ? undefined : u32(value);
    },
  };
}

/** A key that says yes. */
export function yes(key: string): ProjectorParameter {
  return { key, value: () => bool(true) };
}

/** A text that is always the same. */
export function text(key: string, value: string): ProjectorParameter {
  return { key, value: () => string(value) };
}

/** A number of the encoder or of another section. */
export function real(key: string, of: (settings: ProjectorSettings) => number): ProjectorParameter {
  return { key, value: (settings) => f32(of(settings)) };
}

/** The epsilon of the encoder's norms. */
export function epsilon(encoder: Projector["encoder"], fallback: number): ProjectorParameter {
  return real(
    `clip.${encoder}.attention.layer_norm_epsilon`,
    (settings) => settings.encoder.number("layer_norm_eps") ?? fallback,
  );
}

/** The activation of the encoder's feed-forward layers. */
export const activation: readonly ProjectorParameter[] = [
  ["gelu", "clip.use_gelu"],
  ["silu", "clip.use_silu"],
].map(([name = "", key = ""]) => ({
  key,
  value({ encoder }) {
    const act = encoder.get("hidden_act");
    if (act !== "gelu" && act !== "silu") {
      throw new FormatError(`The encoder's activation is ${quoted(act ?? null)}; gelu and silu are known.`, {
        path: "config.json",
      });
    }
    return act === name ? bool(true) : undefined;
  },
}));

function numbers(config: Config, key: string): ReturnType<typeof numberArray> {
  const value = config.get(key);
  if (!Array.isArray(value) || !value.every((one) => typeof one === "number")) {
    throw new FormatError(`The file preprocessor_config.json has no list of numbers ${key}.`, {
      path: "preprocessor_config.json",
      hint: "Take preprocessor_config.json from the original model.",
    });
  }
  return numberArray("f32", value);
}

/** Keys that all projectors with an encoder for images have. */
const vision: readonly ProjectorParameter[] = [
  yes("clip.has_vision_encoder"),
  count("clip.vision.projection_dim", ({ text: config }) => config.need("hidden_size", "n_embd")),
  count("clip.vision.image_size", ({ encoder }) => encoder.need("image_size")),
  count("clip.vision.patch_size", ({ encoder }) => encoder.need("patch_size")),
  count("clip.vision.embedding_length", ({ encoder }) => encoder.need("hidden_size")),
  count("clip.vision.feed_forward_length", ({ encoder }) => encoder.need("intermediate_size")),
  count("clip.vision.block_count", ({ encoder }) => encoder.need("num_hidden_layers", "depth")),
  count("clip.vision.attention.head_count", ({ encoder }) =>
    encoder.need("num_attention_heads", "num_heads"),
  ),
  { key: "clip.vision.image_mean", value: ({ preprocessor }) => numbers(preprocessor, "image_mean") },
  { key: "clip.vision.image_std", value: ({ preprocessor }) => numbers(preprocessor, "image_std") },
];

/** Keys that all projectors with an encoder for sound have. */
const audio: readonly ProjectorParameter[] = [
  yes("clip.has_audio_encoder"),
  count("clip.audio.projection_dim", ({ text: config }) => config.need("hidden_size", "n_embd")),
  count("clip.audio.embedding_length", ({ encoder }) => encoder.need("hidden_size")),
  count("clip.audio.feed_forward_length", ({ encoder }) => encoder.need("intermediate_size")),
  count("clip.audio.block_count", ({ encoder }) => encoder.need("num_hidden_layers", "encoder_layers")),
  count("clip.audio.attention.head_count", ({ encoder }) => encoder.need("num_attention_heads")),
];

/** The keys before a family's own. */
export const encoderParameters: Readonly<Record<Projector["encoder"], readonly ProjectorParameter[]>> = {
  vision,
  audio,
};
