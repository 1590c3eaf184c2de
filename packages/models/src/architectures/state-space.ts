/** Mamba and Mamba 2 layers: tensors and metadata that several families share (llama.cpp, conversion/mamba.py). */
import { elementCount } from "@requant/core";
import type { Config } from "../config.ts";
import { numberArray, numbersOf } from "../metadata-values.ts";
import type { ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { derived } from "./parameters.ts";
import { arithmetic, reshaped, type ShapeOf, same, squeezed } from "./tensors.ts";

const flat: ShapeOf = (shape) => [elementCount(shape)];
/** One number a row, as llama.cpp reads the numbers of Mamba 2's heads. */
const perHead: ShapeOf = (shape) => [elementCount(shape), 1];

/** The matrix of states is stored as the logarithm of its opposite. */
export const stateMap = ["negative-exp", "log-negative"] as const;

/** What both versions have. */
function common(mixer: string): readonly TensorRule[] {
  return [
    same(`${mixer}.in_proj.*`, "blk.{layer}.ssm_in.*"),
    same(`${mixer}.out_proj.*`, "blk.{layer}.ssm_out.*"),
    squeezed(`${mixer}.conv1d.weight`, "blk.{layer}.ssm_conv1d.weight"),
    same(`${mixer}.conv1d.bias`, "blk.{layer}.ssm_conv1d.bias"),
  ];
}

export function mambaTensors(mixer: string): readonly TensorRule[] {
  return [
    ...common(mixer),
    arithmetic(`${mixer}.A_log`, "blk.{layer}.ssm_a", ...stateMap),
    same(`${mixer}.D`, "blk.{layer}.ssm_d"),
    same(`${mixer}.dt_proj.*`, "blk.{layer}.ssm_dt.*"),
    same(`${mixer}.x_proj.weight`, "blk.{layer}.ssm_x.weight"),
  ];
}

/** `groups`: the number of groups into which the norm's numbers are divided. */
export function mamba2Tensors(mixer: string, groups: (config: Config) => number): readonly TensorRule[] {
  return [
    ...common(mixer),
    ...mamba2States(mixer),
    reshaped(
      `${mixer}.norm.weight`,
      "blk.{layer}.ssm_norm.weight",
      (shape, config) => [groups(config), elementCount(shape) / groups(config)],
      flat,
    ),
  ];
}

/** The numbers of each head. */
export function mamba2States(mixer: string): readonly TensorRule[] {
  return [
    reshaped(`${mixer}.A_log`, "blk.{layer}.ssm_a", perHead, flat, stateMap),
    reshaped(`${mixer}.D`, "blk.{layer}.ssm_d", perHead, flat),
    same(`${mixer}.dt_bias`, "blk.{layer}.ssm_dt.bias"),
  ];
}

/**
 * `~.attention.head_count_kv` of a family in which only some layers have attention: 0 for the others.
 * @param write puts the layers with attention into the config.
 */
export function attentionLayerHeads(
  isAttention: (layer: number, config: Config) => boolean,
  write: (hasAttention: readonly boolean[], draft: ConfigDraft) => void,
  layersOf: (config: Config) => number = (config) => config.need("num_hidden_layers"),
): ParameterRule {
  return derived(
    "~.attention.head_count_kv",
    (config) => {
      const heads = config.need("num_key_value_heads");
      const own = Array.from({ length: layersOf(config) }, (_, layer) =>
        isAttention(layer, config) ? heads : 0,
      );
      return numberArray("i32", own);
    },
    (value, draft) => {
      const heads = numbersOf(value);
      if (heads === undefined) return;
      draft.values.set("num_key_value_heads", heads.find((own) => own !== 0) ?? 0);
      write(
        heads.map((own) => own !== 0),
        draft,
      );
    },
  );
}
