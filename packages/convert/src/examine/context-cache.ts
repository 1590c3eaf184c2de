/** What the keys and values of a context take: two rows for each token in each layer (llama.cpp, src/llama-kv-cache.cpp). */
import type { MetadataValue } from "@requant/core";
import type { Model } from "../model/model.ts";

/** The key-value cache of a model, for each token of the context. */
export interface ContextCache {
  /** Layers that have one. */
  readonly layerCount: number;
  /** Key-value heads of all layers together. */
  readonly headCount: number;
  /** Numbers of one head. */
  readonly keyLength: number;
  /** 0 where the values are a part of the keys: multi-head latent attention. */
  readonly valueLength: number;
  /** Numbers for each token: of all heads, keys and values. */
  readonly elementCount: number;
}

/**
 * Where every layer keeps the whole context; layers with a sliding window keep less. Undefined where the model's metadata, or
 * config.json, does not say what it needs.
 */
export function contextCache(model: Model): ContextCache | undefined {
  const setting = settingsOf(model);
  const latent = latentCache(setting);
  if (latent !== undefined) return latent;
  const layers = setting.number("block_count");
  const heads = setting.number("attention.head_count");
  const width = setting.number("embedding_length");
  const keyLength =
    setting.number("attention.key_length") ?? (width === undefined || !heads ? undefined : width / heads);
  const valueLength = setting.number("attention.value_length") ?? keyLength;
  const byLayer = setting.numbers("attention.head_count_kv") ?? setting.numbers("attention.head_count");
  if (!layers || !byLayer?.length || !keyLength || !valueLength) return undefined;
  const counts =
    byLayer.length === 1 ? new Array<number>(Math.min(layers, MOST_LAYERS)).fill(byLayer[0] ?? 0) : byLayer;
  const headCount = counts.reduce((sum, count) => sum + count, 0);
  const elementCount = headCount * (keyLength + valueLength);
  if (!Number.isSafeInteger(elementCount) || elementCount <= 0) return undefined;
  const layerCount = counts.filter((count) => count > 0).length;
  return { layerCount, headCount, keyLength, valueLength, elementCount };
}

/** No model has more; a hostile count must not make a list. */
const MOST_LAYERS = 4096;

/** One latent vector and one rotary key for each token and layer, whose values are a part of it. */
function latentCache(setting: Settings): ContextCache | undefined {
  const layers = setting.number("block_count");
  const latent = setting.number("attention.kv_lora_rank");
  const rotary = setting.number("rope.dimension_count");
  if (!layers || !latent || !rotary || !setting.isLatent) return undefined;
  const keyLength = latent + rotary;
  const elementCount = layers * keyLength;
  if (!Number.isSafeInteger(elementCount)) return undefined;
  return { layerCount: layers, headCount: layers, keyLength, valueLength: 0, elementCount };
}

interface Settings {
  /** A GGUF of before latent attention was read keeps all heads apart. */
  readonly isLatent: boolean;
  number(key: string): number | undefined;
  /** One number, or one for each layer. */
  numbers(key: string): readonly number[] | undefined;
}

/** The keys of config.json for those of GGUF, the usual spelling first. */
const CONFIG_KEYS: Readonly<Record<string, readonly string[]>> = {
  block_count: ["num_hidden_layers", "n_layer", "n_layers"],
  embedding_length: ["hidden_size", "n_embd", "dim"],
  "attention.head_count": ["num_attention_heads", "n_head", "n_heads"],
  "attention.head_count_kv": ["num_key_value_heads", "n_kv_heads", "num_kv_heads"],
  "attention.key_length": ["head_dim"],
  "attention.value_length": ["v_head_dim", "head_dim"],
  "attention.kv_lora_rank": ["kv_lora_rank"],
  "rope.dimension_count": ["qk_rope_head_dim"],
};

function settingsOf({ gguf, hf, architecture }: Model): Settings {
  if (gguf !== undefined) {
    const value = (key: string): readonly number[] | undefined =>
      numbersOf(gguf.metadata.get(`${architecture}.${key}`));
    return {
      isLatent: value("attention.key_length_mla") !== undefined,
      numbers: value,
      number: (key) => value(key)?.[0],
    };
  }
  const nested = hf?.config?.["text_config"];
  const config: Readonly<Record<string, unknown>> = {
    ...hf?.config,
    ...(typeof nested === "object" ? nested : {}),
  };
  const number = (key: string): number | undefined =>
    (CONFIG_KEYS[key] ?? []).map((name) => config[name]).find((value) => typeof value === "number");
  return {
    isLatent: true,
    number,
    numbers(key) {
      const value = key === "attention.head_count_kv" && sharesHead(config) ? 1 : number(key);
      return value === undefined ? undefined : [value];
    },
  };
}

/** One head for all queries (transformers, modeling_falcon.py and modeling_gpt_bigcode.py), whatever other keys say. */
function sharesHead(config: Readonly<Record<string, unknown>>): boolean {
  return config["multi_query"] === true && config["new_decoder_architecture"] !== true;
}

function numbersOf(found: MetadataValue | undefined): readonly number[] | undefined {
  if (found === undefined) return undefined;
  const values: readonly unknown[] =
    found.type === "array" ? Array.from<unknown>(found.value) : [found.value];
  const numbers = values.flatMap((value) =>
    typeof value === "number" || typeof value === "bigint" ? [Number(value)] : [],
  );
  return numbers.length === values.length && numbers.length <= MOST_LAYERS ? numbers : undefined;
}
