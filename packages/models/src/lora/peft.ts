/** Adapters as PEFT stores them: adapter_config.json, and the names of the factors (PEFT, tuners/lora). */
import { FormatError, misfitOf, UnsupportedError } from "@requant/core";
import { namePattern, patternBudget } from "@requant/core/format";
import * as z from "zod/mini";
import type { HfTensor } from "../hf-files.ts";
import { type JsonObject, parseJsonObject } from "../json.ts";
import type { NamedTensor } from "../plan-tensors.ts";
import { type LoraAdapter, type LoraUpdate, updateOf, type WholeTensor } from "./updates.ts";

/** The file that describes a PEFT adapter. */
export const adapterConfigFile = "adapter_config.json";

const numbers = z.nullish(z.record(z.string(), z.number()));
const schema = z.looseObject({
  peft_type: z.nullish(z.string()),
  lora_alpha: z.nullish(z.number()),
  use_rslora: z.nullish(z.boolean()),
  use_dora: z.nullish(z.boolean()),
  fan_in_fan_out: z.nullish(z.boolean()),
  rank_pattern: numbers,
  alpha_pattern: numbers,
});

/** PEFT's default of `lora_alpha`. */
const DEFAULT_ALPHA = 8;

interface PeftConfig {
  readonly isTransposed: boolean;
  /** The alpha of a module, such that its update is multiplied by alpha / rank. */
  alphaOf(module: string, rank: number): number;
}

function readConfig(bytes: Uint8Array | string | undefined): PeftConfig {
  const place = { path: adapterConfigFile };
  if (bytes === undefined) {
    throw new FormatError(`The file ${adapterConfigFile} is missing: it holds the scale of the updates.`, {
      ...place,
      hint: "Give the adapter's directory with all its files.",
    });
  }
  const value: JsonObject = parseJsonObject(bytes, adapterConfigFile);
  const result = schema.safeParse(value);
  if (!result.success) {
    const [first] = result.error.issues;
    throw new FormatError(
      `${adapterConfigFile} has a wrong value: ${misfitOf(first ? [first] : [], value)}.`,
      place,
    );
  }
  const config = result.data;
  const type = config.peft_type ?? "LORA";
  const kind = config.use_dora === true ? "DoRA" : type;
  if (kind !== "LORA") {
    throw new UnsupportedError(`This adapter is of the kind ${kind}; only LoRA is read.`, {
      ...place,
      hint: "Merge it with PEFT (merge_and_unload), and convert the merged model.",
    });
  }
  const budget = patternBudget();
  const patterns = Object.entries(config.alpha_pattern ?? {}).map(([key, alpha]) => ({
    matches: namePattern(`(?:.*\\.)?(?:${key})$`, budget, place),
    alpha,
  }));
  return {
    isTransposed: config.fan_in_fan_out === true,
    alphaOf(module, rank) {
      const alpha =
        patterns.find(({ matches }) => matches(module))?.alpha ?? config.lora_alpha ?? DEFAULT_ALPHA;
      // rank-stabilized: alpha / √rank
      return config.use_rslora === true ? alpha * Math.sqrt(rank) : alpha;
    },
  };
}

const PREFIX = "base_model.model.";
const FACTOR = /^(?<embedding>embedding_)?(?<side>[AB])(?:\.default)?(?:\.weight)?$/;

interface Pair {
  readonly module: string;
  readonly isEmbedding: boolean;
  a?: NamedTensor;
  b?: NamedTensor;
}

/**
 * The updates of a PEFT adapter, by the base model's names in Hugging Face form.
 * @throws UnsupportedError for adapters of another kind than LoRA
 */
export function readPeftAdapter(
  config: Uint8Array | string | undefined,
  tensors: readonly HfTensor[],
): LoraAdapter {
  const settings = readConfig(config);
  const pairs = new Map<string, Pair>();
  const whole: WholeTensor[] = [];
  for (const tensor of tensors) {
    const name = tensor.name.startsWith(PREFIX) ? tensor.name.slice(PREFIX.length) : tensor.name;
    const at = name.lastIndexOf(".lora_");
    if (at < 0) {
      const weight = name.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".");
      whole.push({ weight, shape: tensor.shape, inputs: [{ tensor: tensor.name }] });
      continue;
    }
    const found = FACTOR.exec(name.slice(at + ".lora_".length));
    if (found === null) {
      throw new UnsupportedError(`The adapter holds ${tensor.name}, which is no factor of a LoRA update.`, {
        tensor: tensor.name,
        hint: "Merge it with PEFT (merge_and_unload), and convert the merged model.",
      });
    }
    const module = name.slice(0, at);
    const pair = pairs.get(module) ?? { module, isEmbedding: found.groups?.["embedding"] !== undefined };
    pairs.set(module, pair);
    if (found.groups?.["side"] === "A") pair.a = tensor;
    else pair.b = tensor;
  }
  return { updates: [...pairs.values()].map((pair) => updateOfPair(pair, settings)), whole };
}

function updateOfPair({ module, isEmbedding, a, b }: Pair, config: PeftConfig): LoraUpdate {
  if (a === undefined || b === undefined) {
    throw new FormatError(`The update of ${module} has only one of its two factors.`, {
      tensor: a?.name ?? b?.name,
      hint: "Check that all files of the adapter are there.",
    });
  }
  return updateOf(`${module}.weight`, {
    a,
    b,
    isTransposed: isEmbedding || config.isTransposed,
    alpha: (rank) => config.alphaOf(module, rank),
  });
}

/** A factor's name in a PEFT adapter. */
export function peftFactorName({ weight, isTransposed }: LoraUpdate, side: "A" | "B"): string {
  const module = weight.replace(/\.weight$/, "");
  // of the transposed weights only embeddings come from GGUF
  return isTransposed
    ? `${PREFIX}${module}.lora_embedding_${side}`
    : `${PREFIX}${module}.lora_${side}.weight`;
}

/** adapter_config.json for updates that have one alpha. */
export function peftConfig(
  updates: readonly LoraUpdate[],
  facts: { readonly alpha: number; readonly base: string | null },
): string {
  const modules = updates.map(({ weight }) => weight.replace(/\.weight$/, ""));
  const ranks = updates.map(({ rank }) => rank);
  const [first = 1] = ranks;
  const patterns = modules.flatMap((module, index) =>
    ranks[index] === first ? [] : [[module, ranks[index] ?? first] as const],
  );
  const targets = new Set(modules.map((module) => module.slice(module.lastIndexOf(".") + 1)));
  const config = {
    alpha_pattern: {},
    base_model_name_or_path: facts.base,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: facts.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r: first,
    rank_pattern: Object.fromEntries(patterns),
    target_modules: [...targets].sort(),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
