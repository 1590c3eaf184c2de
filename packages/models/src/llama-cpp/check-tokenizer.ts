/** A GGUF's tokenizer against what llama.cpp needs of it (llama-vocab.cpp, llama_vocab::impl::load). */
import type { Finding, Metadata, MetadataValue } from "@requant/core";
import { stringOf } from "../metadata-values.ts";
import { keyFindings, missingKey, typeName } from "./check-keys.ts";
import { knownPreTokenizers, knownTokenizers, mergingTokenizers } from "./known-names.ts";
import { type KeyNeed, mayKey, needKey } from "./rules.ts";

const PREFIX = "tokenizer.ggml.";
const TOKENS = `${PREFIX}tokens`;

const always: readonly KeyNeed[] = [
  needKey(`${PREFIX}model`, "string"),
  mayKey(`${PREFIX}pre`, "string"),
  mayKey(`${PREFIX}token_type_count`, "u32"),
];

const flags = [
  "add_space_prefix",
  "remove_extra_whitespaces",
  "add_bos_token",
  "add_eos_token",
  "add_sep_token",
];
const moreFlags = ["normalizer.lowercase", "normalizer.strip_accents"];
const ids = [
  ...["bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask"],
  ...["fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "prefix", "suffix", "middle"],
];

/** Of a tokenizer that is in the file. */
const own: readonly KeyNeed[] = [
  ...[...flags, ...moreFlags].map((name) => mayKey(PREFIX + name, "bool")),
  ...ids.map((name) => mayKey(`${PREFIX}${name}_token_id`, "u32")),
];

/** Lists beside the tokens: the types that are read; true where there must be one entry for each token at least. */
const lists: readonly (readonly [name: string, of: readonly string[], perToken: boolean])[] = [
  ["scores", ["f32", "i32"], true],
  ["token_type", ["i32"], true],
  ["suppress_tokens", ["i32"], false],
];

export function tokenizerFindings(metadata: Metadata): Finding[] {
  const model = stringOf(metadata.get(`${PREFIX}model`));
  const findings = keyFindings(metadata, always, undefined);
  if (model === undefined) return findings;
  if (!knownTokenizers.has(model))
    return [
      ...findings,
      unknown(`${PREFIX}model`, `The program llama.cpp knows no tokenizer named ${quote(model)}.`),
    ];
  if (model === "none" || model === "no_vocab")
    return [
      ...findings,
      unknown(
        `${PREFIX}model`,
        `${PREFIX}model is ${quote(model)}: the model has no tokenizer, and llama.cpp ends the process when it has to cut a text into tokens.`,
      ),
    ];
  return [
    ...findings,
    ...keyFindings(metadata, own, undefined),
    ...mergeFindings(metadata, model),
    ...tokenFindings(metadata),
    ...byteFindings(metadata, model),
  ];
}

/** The token of a byte, by which a tokenizer writes what it has no other token for; llama.cpp stops where it is not there. */
const byteTokens: Readonly<Record<string, readonly string[]>> = {
  llama: ["<0x0A>", "\n"],
  plamo2: ["<0x0A>"],
  rwkv: ["\\n", "\n", "\\x0a"],
};

function byteFindings(metadata: Metadata, model: string): Finding[] {
  const tokens = metadata.get(TOKENS);
  const spellings = Object.hasOwn(byteTokens, model) ? byteTokens[model] : undefined;
  // a vocabulary of its own kind may do without, as long as no text needs one; merges show that it is of another kind
  if (model === "llama" && !metadata.has(`${PREFIX}merges`)) return [];
  if (spellings === undefined || tokens?.type !== "array" || tokens.elementType !== "string") return [];
  const { value } = tokens;
  if (spellings.some((spelling) => value.includes(spelling))) return [];
  return [
    unknown(
      TOKENS,
      `A tokenizer of the kind ${quote(model)} needs tokens for single bytes, and ${TOKENS} has none for a line's end.`,
    ),
  ];
}

function quote(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`);
}

function unknown(key: string, message: string): Finding {
  return { code: "tokenizer-invalid", severity: "error", key, message };
}

function mergeFindings(metadata: Metadata, model: string): Finding[] {
  if (!mergingTokenizers.has(model)) return [];
  const key = `${PREFIX}merges`;
  const merges = metadata.get(key);
  const pre = stringOf(metadata.get(`${PREFIX}pre`));
  return [
    ...(merges === undefined
      ? model !== "gemma4" && pre === "kimi-k2"
        ? []
        : [missingKey(key)]
      : listFault(key, merges, ["string"])),
    // another spelling is read by no tokenizer with merges; gemma4 has its own whatever is said
    ...(model === "gemma4" || pre === undefined || pre === "" || knownPreTokenizers.has(pre)
      ? []
      : [unknown(`${PREFIX}pre`, `The program llama.cpp knows no pre-tokenizer named ${quote(pre)}.`)]),
  ];
}

function tokenFindings(metadata: Metadata): Finding[] {
  const tokens = metadata.get(TOKENS);
  if (tokens === undefined) return [missingKey(TOKENS)];
  const fault = listFault(TOKENS, tokens, ["string"]);
  if (fault.length > 0 || tokens.type !== "array") return fault;
  return lists.flatMap(([name, of, perToken]) => {
    const key = PREFIX + name;
    const list = metadata.get(key);
    if (list === undefined) return [];
    const wrong = listFault(key, list, of);
    if (wrong.length > 0 || list.type !== "array" || !perToken || list.length >= tokens.length) return wrong;
    return [unknown(key, `${key} has ${list.length} entries for ${tokens.length} tokens.`)];
  });
}

function listFault(key: string, value: MetadataValue, of: readonly string[]): Finding[] {
  if (value.type === "array" && of.includes(value.elementType)) return [];
  return [unknown(key, `${key} is ${typeName(value)}; llama.cpp reads only a list of ${of.join(" or ")}.`)];
}
