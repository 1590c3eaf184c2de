/** Multi-token prediction: blocks after the last layer, which GGUF keeps as further layers. */
import type { Config } from "../config.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import type { Architecture, ParameterRule, TensorRule } from "./architecture.ts";
import { derived } from "./parameters.ts";
import { same } from "./tensors.ts";

/** What a predicting layer has beside the tensors of the others (llama.cpp, gguf-py constants, NEXTN). */
export const nextTokenTensors: readonly TensorRule[] = [
  same("model.layers.{layer}.eh_proj.weight", "blk.{layer}.nextn.eh_proj.weight"),
  same("model.layers.{layer}.embed_tokens.weight", "blk.{layer}.nextn.embed_tokens.weight"),
  same("model.layers.{layer}.enorm.weight", "blk.{layer}.nextn.enorm.weight"),
  same("model.layers.{layer}.hnorm.weight", "blk.{layer}.nextn.hnorm.weight"),
  same("model.layers.{layer}.shared_head.head.weight", "blk.{layer}.nextn.shared_head_head.weight"),
  same("model.layers.{layer}.shared_head.norm.weight", "blk.{layer}.nextn.shared_head_norm.weight"),
];

/** Layers that predict further tokens, by the config. */
export const statedPredictions = (config: Config): number => config.count("num_nextn_predict_layers") ?? 0;

/** Layers that predict further tokens, as far as they are there: some copies of a checkpoint leave them out. */
export function predictedLayers(config: Config, names: ReadonlySet<string>): number {
  const layers = config.need("num_hidden_layers");
  const stated = statedPredictions(config);
  const stored = new Set<number>();
  for (const name of names) {
    const layer = Number(/(?:^|\.)layers\.(\d{1,6})\./.exec(name)?.[1] ?? -1);
    if (layer >= layers && layer < layers + stated) stored.add(layer);
  }
  return stored.size;
}

/** The number of blocks with those for prediction. */
export const countedBlocks: ParameterRule = derived(
  "~.block_count",
  (config, { hfNames }) => u32(config.need("num_hidden_layers") + predictedLayers(config, hfNames)),
  (value, draft) => {
    const predicted = numberOf(draft.parameter("~.nextn_predict_layers")) ?? 0;
    draft.values.set("num_hidden_layers", (numberOf(value) ?? 0) - predicted);
  },
);

/** The same by what the config states, whatever the checkpoint holds. */
export const statedBlocks: ParameterRule = {
  ...countedBlocks,
  toGguf: (config) => u32(config.need("num_hidden_layers") + statedPredictions(config)),
};

/** The number of blocks for prediction, written where the config states one. */
export const predictionCount: ParameterRule = derived(
  "~.nextn_predict_layers",
  (config, { hfNames }) => {
    const stated = config.count("num_nextn_predict_layers");
    return stated === undefined ? undefined : u32(predictedLayers(config, hfNames));
  },
  (value, draft) => draft.values.set("num_nextn_predict_layers", numberOf(value) ?? 0),
);

/** Checkpoints that name the block `mtp`: its layers follow the others, the tensors around them go to the first. */
export const predictionNames: NonNullable<Architecture["names"]> = {
  toRules(name, config) {
    const layers = config.need("num_hidden_layers");
    const match = /^(?:model\.)?mtp\.(?:layers\.(\d+)\.)?(.+)$/.exec(name);
    if (match === null) return name;
    return match[1] === undefined
      ? `model.layers.${layers}.mtp.${match[2]}`
      : `model.layers.${layers + Number(match[1])}.${match[2]}`;
  },
  fromRules(name, config) {
    const match = /^model\.layers\.(\d+)\.(.+)$/.exec(name);
    const over = match === null ? -1 : Number(match[1]) - config.need("num_hidden_layers");
    if (match === null || over < 0) return name;
    const rest = match[2] ?? "";
    return rest.startsWith("mtp.") ? rest : `mtp.layers.${over}.${rest}`;
  },
};
