/** Names of embeddings and heads. Oracle: the names in published checkpoints, and in llama.cpp's gguf-py (constants.py). */
import { expect, it } from "vitest";
import { isEmbeddingOrHead } from "../../src/index.ts";

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
