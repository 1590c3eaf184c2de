/** Multi-token prediction: blocks after the last layer, which GGUF keeps as further layers. */
import type { Architecture, TensorRule } from "./architecture.ts";
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
