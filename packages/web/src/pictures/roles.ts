/**
 * The columns of the picture of all tensors: what each does in a layer, from its name, Hugging Face's or GGUF's. Finer than the roles
 * of `@requant/models`, which know no queries, keys or gates, and only for looking: nothing is decided by it. A tensor whose name is
 * not here gets a column under that name.
 */

export interface TensorPlace {
  /** The number of its layer; undefined for what stands outside of layers. */
  readonly layer: number | undefined;
  /** "attn q", "experts down", "norm"; the tensor's own name within its layer where that is not known. */
  readonly role: string;
}

/**
 * Modules of each role, in the order in which roles are shown. Names: transformers (modeling files of Llama, GPT-2, Falcon,
 * Bloom, Phi-3, Qwen, DeepSeek, Mixtral), llama.cpp (src/llama-arch.cpp).
 */
const modulesByRole: Readonly<Record<string, readonly string[]>> = {
  embedding: ["token_embd", "embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings"],
  "attn q": ["attn_q", "q_proj", "wq", "query", "q"],
  "attn k": ["attn_k", "k_proj", "wk", "key", "k"],
  "attn v": ["attn_v", "v_proj", "wv", "value", "v"],
  "attn qkv": ["attn_qkv", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "wqkv", "W_pack", "qkv"],
  "attn q a": ["attn_q_a", "q_a_proj"],
  "attn q b": ["attn_q_b", "q_b_proj"],
  "attn kv a": ["attn_kv_a_mqa", "kv_a_proj_with_mqa"],
  "attn kv b": ["attn_kv_b", "kv_b_proj"],
  "attn k b": ["attn_k_b"],
  "attn v b": ["attn_v_b"],
  "attn out": [
    "attn_output",
    "o_proj",
    "wo",
    "out_proj",
    "attn.c_proj",
    "self_attention.dense",
    "attention.dense",
    "attention.output.dense",
  ],
  router: [
    "ffn_gate_inp",
    "ffn_gate_inp_shexp",
    "router",
    "mlp.gate",
    "block_sparse_moe.gate",
    "shared_expert_gate",
  ],
  "ffn gate": ["ffn_gate", "gate_proj", "w1"],
  "ffn up": ["ffn_up", "up_proj", "w3", "c_fc", "fc1", "dense_h_to_4h", "intermediate.dense"],
  "ffn gate up": ["ffn_gate_up", "gate_up_proj"],
  "ffn down": ["ffn_down", "down_proj", "w2", "mlp.c_proj", "fc2", "dense_4h_to_h", "output.dense"],
  head: ["lm_head", "embed_out", "output"],
};

const roleByModule: ReadonlyMap<string, string> = new Map(
  Object.entries(modulesByRole).flatMap(([role, modules]) =>
    modules.map((module): [string, string] => [module, role]),
  ),
);

/** Roles of experts come after those of the layers that all tokens pass, and norms and biases last. */
const KINDS = ["ffn", "shared", "experts"] as const;
const NORM = "norm";
const BIAS = "bias";

export const roleOrder: readonly string[] = [
  ...Object.keys(modulesByRole).filter((role) => role !== "head" && !role.startsWith("ffn")),
  ...KINDS.flatMap((kind) =>
    Object.keys(modulesByRole)
      .filter((role) => role.startsWith("ffn"))
      .map((role) => role.replace("ffn", kind)),
  ),
  "head",
  NORM,
  BIAS,
];

const LAYER = /(?:^|\.)(?:blk|layers?|h|blocks?)\.(\d{1,9})\./;
const ENDING = /\.(?:weight|bias|scales|blocks)$/;
const STACKED = /_(exps|shexp|chexps)$/;
/** Modules that only say that the rest is inside of them. */
const WRAPPERS: ReadonlySet<string> = new Set([
  "model",
  "transformer",
  "language_model",
  "gpt_neox",
  "base_model",
  "backbone",
  "decoder",
]);

/** Works in time that grows with the name's length only. */
export function placeOf(name: string): TensorPlace {
  const found = LAYER.exec(name);
  const before = found === null ? "" : name.slice(0, found.index);
  const inside = found === null ? name : name.slice(found.index + found[0].length);
  const tower = before.split(".").filter((module) => module !== "" && !WRAPPERS.has(module));
  const role = roleInside(inside);
  return {
    layer: found === null ? undefined : Number(found[1]),
    role: tower.length === 0 ? role : `${tower.join(".")} ${role}`,
  };
}

function roleInside(inside: string): string {
  const modules = inside.replace(ENDING, "").split(".");
  const last = modules.at(-1) ?? "";
  if (/norm|^ln_|^ln\d/i.test(last)) return NORM;
  if (inside.endsWith(".bias")) return BIAS;
  const stacked = STACKED.exec(last);
  const module = stacked === null ? last : last.slice(0, stacked.index);
  const role = knownRole([...modules.slice(0, -1), module]);
  if (role === undefined) {
    return modules.filter((part) => !WRAPPERS.has(part) && !/^\d+$/.test(part)).join(".") || inside;
  }
  const isShared = stacked?.[1] === "shexp" || modules.some((part) => part.startsWith("shared_expert"));
  const isExpert = stacked !== null || modules.includes("experts");
  return role.replace("ffn", isShared ? "shared" : isExpert ? "experts" : "ffn");
}

/** The longest known name that the modules end with. */
function knownRole(modules: readonly string[]): string | undefined {
  return (
    roleByModule.get(modules.slice(-3).join(".")) ??
    roleByModule.get(modules.slice(-2).join(".")) ??
    roleByModule.get(modules.slice(-1).join("."))
  );
}
