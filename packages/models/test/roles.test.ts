/** What tensors are, by their names. Oracle: the names in published checkpoints, and in llama.cpp's gguf-py (constants.py). */
import { expect, it } from "vitest";
import { architectures } from "../src/architectures/index.ts";
import {
  isEmbeddingOrHead,
  isHead,
  isOtherSense,
  isTokenEmbedding,
  type TensorRole,
  tensorRole,
} from "../src/index.ts";

it.each([
  "model.embed_tokens.weight",
  "lm_head.weight",
  "transformer.wte.weight",
  // EleutherAI/pythia
  "gpt_neox.embed_in.weight",
  "embed_out.weight",
  // InternLM2
  "model.tok_embeddings.weight",
  "output.weight",
  // llava-hf
  "language_model.model.embed_tokens.weight",
  "language_model.lm_head.weight",
  "token_embd.weight",
])("%s", (name) => {
  expect(isEmbeddingOrHead(name)).toBe(true);
});

it.each([
  "blk.0.attn_output.weight",
  "bert.encoder.layer.0.attention.output.dense.weight",
  "encoder.layer.0.attention.output.weight",
  "vision_tower.vision_model.embeddings.patch_embedding.weight",
  "audio_tower.embed_tokens.weight",
  "model.embed_tokens.bias",
])("%s is neither", (name) => {
  expect(isEmbeddingOrHead(name)).toBe(false);
});

it.each<[name: string, role: TensorRole]>([
  ["model.layers.0.self_attn.q_proj.weight", "linear"],
  ["blk.3.ffn_down_exps.weight", "linear"],
  // RWKV: a matrix of the feed-forward
  ["blk.3.channel_mix_key.weight", "linear"],
  ["model.layers.0.self_attn.q_proj.bias", "bias"],
  ["blk.0.exp_probs_b.bias", "bias"],
  ["model.layers.0.input_layernorm.weight", "norm"],
  ["blk.0.attn_q_norm.weight", "norm"],
  // Mixtral, Qwen 3 MoE, gpt-oss, PhiMoE, Qwen 2 MoE
  ["model.layers.0.block_sparse_moe.gate.weight", "router"],
  ["model.layers.0.mlp.gate.weight", "router"],
  ["model.layers.0.mlp.router.weight", "router"],
  ["model.layers.0.mlp.router.layer.weight", "router"],
  // HunYuan A13B, Nemotron 3 Nano
  ["model.layers.0.mlp.gate.wg.weight", "router"],
  ["backbone.layers.1.mixer.gate.weight", "router"],
  ["model.layers.0.mlp.shared_expert_gate.weight", "router"],
  ["blk.0.ffn_gate_inp.weight", "router"],
  ["blk.0.ffn_gate_inp_shexp.weight", "router"],
  ["blk.2.altup_router.weight", "linear"],
  // the gate of a gated feed-forward
  ["model.layers.0.mlp.gate_proj.weight", "linear"],
  ["model.layers.0.conv.conv.weight", "conv"],
  ["blk.0.shortconv.conv.weight", "conv"],
  ["backbone.layers.0.mixer.A_log", "state"],
  ["backbone.layers.0.mixer.dt_proj.weight", "state"],
  ["blk.0.ssm_in.weight", "state"],
  ["blk.0.time_mix_w1.weight", "state"],
  ["transformer.rotary_pos_emb.weight", "position"],
  ["lm_head.weight", "head"],
  ["transformer.wte.weight", "embedding"],
])("%s is %s", (name, role) => {
  expect(tensorRole(name)).toBe(role);
});

it.each([
  ["vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight", true],
  ["multi_modal_projector.linear_1.weight", true],
  ["model.layers.0.self_attn.q_proj.weight", false],
])("%s is of another sense: %s", (name, expected) => {
  expect(isOtherSense(name)).toBe(expected);
});

/** The names of one tensor in both layouts, by the rules of every family. */
const renamed = architectures.flatMap(({ name: family, tensors }) =>
  tensors.flatMap((rule) => {
    const filled = (name: string): string =>
      name.replace("{layer}", "0").replace("{expert}", "0").replace("*", "weight");
    const gguf = rule.gguf.map(filled);
    return rule.hf.map((name) => ({ family, hf: filled(name), gguf }));
  }),
);

it.each<[role: string, is: (name: string) => boolean, gguf: RegExp, elsewhere: RegExp]>([
  // the second token embedding is that of a block which predicts further tokens
  ["token embedding", isTokenEmbedding, /^token_embd\.weight$/, /nextn\.embed_tokens/],
  // a reranker keeps two rows of it
  ["head", isHead, /^output\.weight$/, /^cls\.output\.weight$/],
  // llama.cpp reads the router of AltUp in any type; scales of routers are no matrices
  ["router", (name) => tensorRole(name) === "router", /gate_inp.*\.weight$/, /altup_router|\.scale$/],
])("the %s of every family has its role under both names", (_, is, own, elsewhere) => {
  const isOwn = ({ gguf }: (typeof renamed)[number]): boolean => gguf.some((name) => own.test(name));
  expect(renamed.filter(isOwn).length).toBeGreaterThan(20);
  const wrong = renamed.filter(
    (names) => is(names.hf) !== isOwn(names) && !names.gguf.some((name) => elsewhere.test(name)),
  );
  expect(wrong).toEqual([]);
});
