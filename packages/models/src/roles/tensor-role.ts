/**
 * What a tensor is in its model, by its name, Hugging Face's or GGUF's: the one place that decides it. Names: transformers (modeling
 * files), llama.cpp (src/llama-arch.cpp).
 */

/** `position`: of rotations. `state`: of a layer without a cache. */
export type TensorRole =
  | "bias"
  | "conv"
  | "embedding"
  | "head"
  | "linear"
  | "norm"
  | "position"
  | "router"
  | "state";

/** Modules of encoders of other senses, which the tools leave alone with all that is in them. */
const OTHER_SENSE = /^(?:(?:vision|audio|image|multi_modal)\w*|visual|\w*projector)$/;

/** Modules that turn token ids into vectors, under the names that families have for them. */
const TOKEN_EMBEDDING =
  /^(?:token_embd|embed_tokens|wte|embed_in|in_out_embed|(?:word_|tok_|token_)?embeddings|embedding)$/;

/** The same where the name alone could be another module's: T5, NeoBERT. */
const OUTER_EMBEDDING = /^(?:shared|encoder)\.weight$/;

/** Modules that turn vectors into scores of tokens. The last two: RWKV 6, LLaDA. */
const HEAD =
  /(?:^|\.)(?:lm_head|embed_out)\.weight$|^(?:(?:model|transformer)\.)?output(?:_layer)?\.weight$|^head\.weight$|^model\.transformer\.ff_out\.weight$/;

/** Modules whose `gate` is a router: its few outputs decide which expert runs. */
const HAS_ROUTER = /(?:mlp|block_sparse_moe|feed_forward|moe|mixer)$/;

/** A router of a layer itself: Mistral's own checkpoints. */
const LAYER_ROUTER = /^layers\.\d{1,6}\.gate\.weight$/;

/** By the module's own name; the first that fits. A module that fits none is linear. */
const BY_MODULE: readonly (readonly [role: TensorRole, own: RegExp])[] = [
  ["norm", /norm/],
  ["embedding", TOKEN_EMBEDDING],
  ["embedding", /embed/],
  ["position", /rotary/],
  ["conv", /conv/],
  // chooses no experts, and llama.cpp reads it in any type (Gemma 3n)
  ["linear", /^altup_router$/],
  // `wg`: of a gate (HunYuan)
  ["router", /(?:router|shared_expert_gate)$|gate_inp|^wg$/],
  ["state", /(?:A_log|dt_proj|x_proj)$|ssm|time_mix/],
];

/** The role of a tensor; "linear" where nothing in its name says otherwise. */
export function tensorRole(name: string): TensorRole {
  const modules = name.split(".");
  const last = modules.at(-1) ?? "";
  if (last.includes("bias")) return "bias";
  if (last === "weight") modules.pop();
  if (HEAD.test(name)) return "head";
  if (OUTER_EMBEDDING.test(name)) return "embedding";
  if (LAYER_ROUTER.test(name)) return "router";
  const [parent = "", own = ""] = [modules.at(-2), modules.at(-1)];
  const role = BY_MODULE.find(([, pattern]) => pattern.test(own))?.[0];
  if (role !== undefined) return role;
  return parent.endsWith("router") || (own === "gate" && HAS_ROUTER.test(parent)) ? "router" : "linear";
}

/** True for a tensor of an encoder of pictures or sounds, or of what joins it to the model of texts. */
export function isOtherSense(name: string): boolean {
  return name.split(".").some((module) => OTHER_SENSE.test(module));
}

/** The matrix of token embeddings, under one of the names that families have for it. */
export function isTokenEmbedding(name: string): boolean {
  if (OUTER_EMBEDDING.test(name)) return true;
  return (
    name.endsWith(".weight") && TOKEN_EMBEDDING.test(name.split(".").at(-2) ?? "") && !isOtherSense(name)
  );
}

/** The last matrix of a model that writes text. */
export function isHead(name: string): boolean {
  return tensorRole(name) === "head";
}

/** The weights whose size follows from the vocabulary, which most packings leave in floats. */
export function isEmbeddingOrHead(name: string): boolean {
  return isTokenEmbedding(name) || isHead(name);
}
