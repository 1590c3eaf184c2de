/** InternLM 2: Llama's weights with q, k, v fused per key-value head (llama.cpp, conversion/internlm.py). */
import type { Config } from "../config.ts";
import { bool } from "../metadata-values.ts";
import type { RowOrder } from "../row-order.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import { parseSentencePiece } from "../tokenizer/sentencepiece.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { deriveKeyValueHeads, textParameters } from "./parameters.ts";
import { viewed } from "./split-tensors.ts";
import { decoderEnds, keyHeads, queryHeads, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

function groups(config: Config): { readonly kv: number; readonly each: number; readonly length: number } {
  const kv = keyHeads(config);
  return { kv, each: queryHeads(config) / kv, length: config.headLength };
}

/** Rows `[kv heads, q … q k v, length]`; `rotated` parts also go from half-split to interleaved order. */
function part(config: Config, first: number, count: number, rotated: boolean): RowOrder {
  const { kv, each, length } = groups(config);
  const range = [first, first + count] as const;
  return rotated
    ? {
        kind: "view",
        view: [kv, each + 2, 2, length / 2],
        ranges: [null, range, null, null],
        axes: [0, 1, 3, 2],
      }
    : { kind: "view", view: [kv, each + 2, length], ranges: [null, range, null] };
}

/** tokenizer.ggml.add_space_prefix from tokenizer.model. */
const prefixOfModel: TokenizerExtra = ({ files }) =>
  files.tokenizerModel === undefined
    ? []
    : [["tokenizer.ggml.add_space_prefix", bool(parseSentencePiece(files.tokenizerModel).addDummyPrefix)]];

export const internlm2: Architecture = {
  name: "internlm2",
  classes: ["InternLM2ForCausalLM"],
  modelType: "internlm2",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: textParameters,
  tensors: [
    same("model.tok_embeddings.weight", "token_embd.weight"),
    ...decoderEnds.filter(({ hf }) => hf[0] === "model.norm.*"),
    same("output.weight", "output.weight"),
    same(`${layer}.attention_norm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.ffn_norm.weight`, "blk.{layer}.ffn_norm.weight"),
    viewed(
      `${layer}.attention.wqkv.weight`,
      [
        {
          gguf: "blk.{layer}.attn_q.weight",
          orders: ({ config }) => [part(config, 0, groups(config).each, true)],
        },
        {
          gguf: "blk.{layer}.attn_k.weight",
          orders: ({ config }) => [part(config, groups(config).each, 1, true)],
        },
        {
          gguf: "blk.{layer}.attn_v.weight",
          orders: ({ config }) => [part(config, groups(config).each + 1, 1, false)],
        },
      ],
      ([q = "", k = "", v = ""], { config }) => {
        const { kv, each, length } = groups(config);
        return Array.from({ length: kv }, (_, head): readonly WeightInput[] => [
          {
            tensor: q,
            rows: [head * each * length, (head + 1) * each * length],
            rowOrder: { kind: "rope-to-halves", headCount: each },
          },
          {
            tensor: k,
            rows: [head * length, (head + 1) * length],
            rowOrder: { kind: "rope-to-halves", headCount: 1 },
          },
          { tensor: v, rows: [head * length, (head + 1) * length] },
        ]).flat();
      },
    ),
    same(`${layer}.attention.wo.weight`, "blk.{layer}.attn_output.weight"),
    same(`${layer}.feed_forward.w1.weight`, "blk.{layer}.ffn_gate.weight"),
    same(`${layer}.feed_forward.w3.weight`, "blk.{layer}.ffn_up.weight"),
    same(`${layer}.feed_forward.w2.weight`, "blk.{layer}.ffn_down.weight"),
  ],
  // llama.cpp, src/models/internlm2.cpp
  decoder: llamaDecoder,
  tokenizer: { kinds: ["sentencepiece"], between: [prefixOfModel], json: "llama" },
  finishConfig(draft) {
    draft.values.set("hidden_act", "silu");
    draft.values.set("bias", false);
    draft.values.set("auto_map", {
      AutoConfig: "configuration_internlm2.InternLM2Config",
      AutoModelForCausalLM: "modeling_internlm2.InternLM2ForCausalLM",
    });
  },
};
