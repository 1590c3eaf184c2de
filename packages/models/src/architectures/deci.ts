/** DeciLM: Llama-Nemotron with attention that differs by layer, and DeciLM 7B (llama.cpp, conversion/deci.py and models/deci.cpp). */
import { largest } from "@requant/core";
import type { Config } from "../config.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonObject,
  type JsonObject,
  numberField,
  objectField,
} from "../json.ts";
import { numberArray, numberOf, numbersOf, u32 } from "../metadata-values.ts";
import { llama3RopeFactors } from "../rope-factors.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { derived, deriveHeadLength, generic, textParameters, wholeHeadRope } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms, readOnly, rotary, same } from "./tensors.ts";

/** The sizes of a layer. */
interface LayerShape {
  readonly heads: number;
  readonly keyHeads: number;
  readonly feedForward: number;
}

const blocksOf = (config: Config): readonly JsonObject[] => {
  const blocks = config.get("block_configs");
  return Array.isArray(blocks) ? blocks.filter(isJsonObject) : [];
};

/** The width of a gated feed-forward by its factor: the next multiple of 256. */
function feedForwardOf(factor: number, hidden: number): number {
  return Math.ceil(Math.trunc((2 * factor * hidden) / 3) / 256) * 256;
}

/** Linear attention keeps its heads, a layer without attention has none; both have no keys. */
function layerShapes(config: Config): readonly LayerShape[] {
  const heads = config.need("num_attention_heads");
  const hidden = config.need("hidden_size");
  return blocksOf(config).map((block) => {
    const own = objectField(block, "attention");
    const group = numberField(own, "n_heads_in_group");
    const isLinear = flagField(own, "replace_with_linear") === true;
    return {
      heads: group !== undefined || isLinear ? heads : 0,
      keyHeads: group === undefined ? 0 : Math.floor(heads / group),
      feedForward: feedForwardOf(numberField(objectField(block, "ffn"), "ffn_mult") ?? 0, hidden),
    };
  });
}

const perLayer = (key: string, read: (shape: LayerShape) => number): ParameterRule =>
  derived(key, (config) => numberArray("i32", layerShapes(config).map(read)));

function headsIn(config: Config, layer: number | undefined, part: "heads" | "keyHeads"): number {
  const shape = layerShapes(config)[layer ?? 0];
  if (shape !== undefined) return shape[part];
  const perLayerHeads = config.get("num_key_value_heads_per_layer");
  const own = Array.isArray(perLayerHeads) ? perLayerHeads[layer ?? 0] : undefined;
  if (part === "keyHeads" && typeof own === "number") return own;
  const heads = config.need("num_attention_heads");
  return part === "heads" ? heads : (config.count("num_key_value_heads") ?? heads);
}

/** Rotary rows in pairs, with as many heads as the layer has. */
function layerRotary(projection: "q" | "k", part: "heads" | "keyHeads"): TensorRule {
  return rotary(
    `model.layers.{layer}.self_attn.${projection}_proj.*`,
    `blk.{layer}.attn_${projection}.*`,
    (config, layer) => headsIn(config, layer, part),
  );
}

const tensors: readonly TensorRule[] = [
  ...decoderEnds,
  ...layerNorms,
  layerRotary("q", "heads"),
  layerRotary("k", "keyHeads"),
  ...attention(false).slice(2),
  readOnly(same("model.layers.{layer}.self_attn.linear_attn.weight", "blk.{layer}.attn_output.weight")),
  ...gatedFeedForward,
];

const isLinear = (config: Config, layer: number): boolean =>
  flagField(objectField(blocksOf(config)[layer], "attention"), "replace_with_linear") === true;

/** A factor from which the class computes the same width. */
const factorOf = (length: number, hidden: number): number | null =>
  length === 0 ? null : (3 * length) / (2 * hidden);

function restoreBlocks(draft: ConfigDraft): void {
  const { values } = draft;
  const numbers = (key: string): readonly number[] => numbersOf(draft.parameter(key)) ?? [];
  const heads = numbers("~.attention.head_count");
  const keyHeads = numbers("~.attention.head_count_kv");
  const widths = numbers("~.feed_forward_length");
  const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 1;
  values.set("num_attention_heads", largest(heads) ?? 0);
  values.set("num_key_value_heads", null);
  values.set(
    "block_configs",
    heads.map((own, index) => {
      const keys = keyHeads[index] ?? 0;
      const width = widths[index] ?? 0;
      return {
        attention: {
          n_heads_in_group: keys === 0 ? null : own / keys,
          no_op: own === 0,
          replace_with_linear: keys === 0 && own > 0,
        },
        ffn: { ffn_mult: factorOf(width, hidden), no_op: width === 0, replace_with_linear: false },
      };
    }),
  );
  values.set("auto_map", {
    AutoConfig: "nvidia/Llama-3_1-Nemotron-51B-Instruct--configuration_decilm.DeciLMConfig",
    AutoModelForCausalLM: "nvidia/Llama-3_1-Nemotron-51B-Instruct--modeling_decilm.DeciLMForCausalLM",
  });
}

export const deci: Architecture = {
  name: "deci",
  classes: ["DeciLMForCausalLM"],
  modelType: "nemotron-nas",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  claims: (config) => arrayField(config, "block_configs") !== undefined,
  derive: [deriveHeadLength],
  parameters: [
    generic.ropeBase,
    perLayer("~.attention.head_count_kv", ({ keyHeads }) => keyHeads),
    perLayer("~.attention.head_count", ({ heads }) => heads),
    perLayer("~.feed_forward_length", ({ feedForward }) => feedForward),
    generic.blockCount,
    generic.contextLength,
    generic.embeddingLength,
    generic.rmsEpsilon,
    derived("~.attention.key_length", (config) => u32(config.headLength)),
    derived("~.attention.value_length", (config) => u32(config.headLength)),
    generic.fileType,
    generic.vocabularySize,
    wholeHeadRope,
  ],
  extraTensors: [llama3RopeFactors],
  names: {
    toRules: (name) => name,
    fromRules(name, config) {
      const index = Number(/^model\.layers\.(\d{1,6})\./.exec(name)?.[1] ?? -1);
      return isLinear(config, index) ? name.replace(".o_proj.", ".linear_attn.") : name;
    },
  },
  tensors,
  tokenizer: { kinds: ["unscored", ...byteKinds], json: "llama" },
  finishConfig: restoreBlocks,
  recognises: (metadata) => metadata.get("deci.attention.head_count")?.type === "array",
};

export const deci7b: Architecture = {
  ...deci,
  modelType: "deci",
  claims: (config) => field(config, "block_configs") === undefined,
  parameters: [
    ...textParameters,
    derived(
      "~.attention.head_count_kv",
      (config) => {
        const heads = config.get("num_key_value_heads_per_layer");
        return Array.isArray(heads) ? numberArray("i32", heads.map(Number)) : undefined;
      },
      (value, draft) => {
        const heads = numbersOf(value);
        if (heads !== undefined) draft.values.set("num_key_value_heads_per_layer", [...heads]);
      },
    ),
    generic.vocabularySize,
    wholeHeadRope,
  ],
  finishConfig({ values }) {
    values.set("auto_map", {
      AutoConfig: "Deci/DeciLM-7B--configuration_decilm.DeciLMConfig",
      AutoModelForCausalLM: "Deci/DeciLM-7B--modeling_decilm.DeciLMForCausalLM",
    });
  },
  recognises: () => true,
};
