/** Qwen3-VL and its mixture of experts: mergers at several depths (llama.cpp, conversion/qwen3vl.py). */
import { FormatError } from "@requant/core";
import { same } from "../architectures/tensors.ts";
import type { Config } from "../config.ts";
import type { JsonObject } from "../json.ts";
import { boolArray } from "../metadata-values.ts";
import { countIfAny, real, text, yes } from "./parameters.ts";
import type { Projector } from "./projector.ts";
import { framePatches } from "./tensors.ts";

const layer = "visual.blocks.{layer}";
const merger = "visual.deepstack_merger_list.{layer}";

/** The layers behind which a merger takes the patches, by number of the merger. */
function depths(encoder: Config): readonly number[] {
  const value = encoder.get("deepstack_visual_indexes");
  return Array.isArray(value) ? value.map(Number) : [];
}

const MERGER = /^visual\.deepstack_merger_list\.(\d{1,6})\./;

function renumbered(name: string, numberOf: (number: number) => number | undefined): string {
  const number = MERGER.exec(name)?.[1];
  if (number === undefined) return name;
  const other = numberOf(Number(number));
  if (other === undefined || other < 0) {
    throw new FormatError(`The config.json names no layer for the merger ${number}.`, {
      path: "config.json",
      tensor: name,
      hint: "The setting is deepstack_visual_indexes of vision_config.",
    });
  }
  return name.replace(MERGER, `visual.deepstack_merger_list.${other}.`);
}

export const qwen3Vl: Projector = {
  type: "qwen3vl_merger",
  classes: ["Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    depth: 27,
    hidden_size: 1152,
    intermediate_size: 4304,
    num_heads: 16,
    patch_size: 16,
    spatial_merge_size: 2,
    num_position_embeddings: 2304,
    deepstack_visual_indexes: [8, 16, 24],
  },
  settings: (encoder): JsonObject => ({
    ...encoder,
    image_size:
      encoder["image_size"] ??
      Math.floor(Math.sqrt(Number(encoder["num_position_embeddings"]))) * Number(encoder["patch_size"]),
  }),
  parameters: [
    text("clip.projector_type", "qwen3vl_merger"),
    yes("clip.use_gelu"),
    countIfAny("clip.vision.spatial_merge_size", ({ encoder }) => encoder.count("spatial_merge_size")),
    real(
      "clip.vision.attention.layer_norm_epsilon",
      ({ text: config }) => config.number("rms_norm_eps") ?? 1e-6,
    ),
    {
      key: "clip.vision.is_deepstack_layers",
      value({ encoder }) {
        const layers = depths(encoder);
        return boolArray(Array.from({ length: encoder.need("depth") }, (_, index) => layers.includes(index)));
      },
    },
  ],
  prefix: "model.",
  names: {
    toRules: (name, config) => renumbered(name, (number) => depths(config)[number]),
    fromRules: (name, config) => renumbered(name, (number) => depths(config).indexOf(number)),
  },
  tensors: [
    same(`${layer}.attn.proj.*`, "v.blk.{layer}.attn_out.*"),
    same(`${layer}.attn.qkv.*`, "v.blk.{layer}.attn_qkv.*"),
    same(`${layer}.mlp.linear_fc1.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.linear_fc2.*`, "v.blk.{layer}.ffn_down.*"),
    same(`${layer}.norm1.*`, "v.blk.{layer}.ln1.*"),
    same(`${layer}.norm2.*`, "v.blk.{layer}.ln2.*"),
    same(`${merger}.linear_fc1.*`, "v.deepstack.{layer}.fc1.*"),
    same(`${merger}.linear_fc2.*`, "v.deepstack.{layer}.fc2.*"),
    same(`${merger}.norm.*`, "v.deepstack.{layer}.norm.*"),
    same("visual.merger.linear_fc1.*", "mm.0.*"),
    same("visual.merger.linear_fc2.*", "mm.2.*"),
    same("visual.merger.norm.*", "v.post_ln.*"),
    framePatches("visual.patch_embed.proj.weight"),
    same("visual.patch_embed.proj.bias", "v.patch_embd.bias"),
    same("visual.pos_embed.weight", "v.position_embd.weight"),
  ],
};
