/** How many columns a packed weight has: quanto stores no tensor that says it. */
import { type ErrorPlace, UnsupportedError } from "@requant/core";
import type { ModuleHints } from "@requant/core/format";
import type { QuantoClaims } from "./layout.ts";

type Config = Readonly<Record<string, unknown>>;

/**
 * In features of the layers that Llama and models like it have, by the last name of the module (transformers,
 * models/llama/modeling_llama.py).
 */
const IN_FEATURES: Readonly<Record<string, (config: Config) => number | undefined>> = {
  q_proj: hiddenSize,
  k_proj: hiddenSize,
  v_proj: hiddenSize,
  gate_proj: hiddenSize,
  up_proj: hiddenSize,
  lm_head: hiddenSize,
  o_proj(config) {
    const heads = countIn(config, "num_attention_heads");
    const size = countIn(config, "head_dim") ?? (hiddenSize(config) ?? 0) / (heads ?? 1);
    return heads === undefined ? undefined : heads * size;
  },
  down_proj: (config) => countIn(config, "intermediate_size"),
};

function hiddenSize(config: Config): number | undefined {
  return countIn(config, "hidden_size");
}

function countIn(config: Config, key: string): number | undefined {
  const value = config[key];
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/**
 * Rows by the bias beside the weight, or columns by the model's configuration.
 * @throws UnsupportedError where neither tells
 */
export function packedShape(
  module: string,
  { config, shapeOf }: ModuleHints,
  place: ErrorPlace,
): QuantoClaims {
  const bias = shapeOf(`${module}.bias`);
  if (bias?.length === 1) return { rows: bias[0] };
  const name = module.slice(module.lastIndexOf(".") + 1);
  const find = Object.hasOwn(IN_FEATURES, name) ? IN_FEATURES[name] : undefined;
  const columns = config === undefined ? undefined : find?.(config);
  if (columns !== undefined) return { columns };
  throw new UnsupportedError(
    `The weight is packed by quanto, which stores the shape of a weight in no tensor, and neither a bias nor config.json tells the columns of ${module}.`,
    { ...place, hint: "Put the model's config.json beside the weights, or start from the float model." },
  );
}
