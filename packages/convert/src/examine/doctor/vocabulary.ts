/** A GGUF's tokenizer: arrays that must go together, and values that must mean something. */

import type { Finding, Metadata, MetadataArray, MetadataValue } from "@requant/core";
import { quoted } from "@requant/core/text";
import { finding } from "../../model/findings/finding.ts";
import { few } from "./few.ts";

const TOKENS = "tokenizer.ggml.tokens";
const SCORES = "tokenizer.ggml.scores";
const TYPES = "tokenizer.ggml.token_type";
export const MERGES = "tokenizer.ggml.merges";

/** Lengths and types of the arrays: from the header, nothing is decoded. */
export function tokenizerShapeFindings(metadata: Metadata): Finding[] {
  const tokens = metadata.get(TOKENS);
  if (tokens === undefined) return [];
  const findings: Finding[] = [];
  const invalid = (key: string, message: string, severity: Finding["severity"] = "error"): void => {
    findings.push({ ...finding("tokenizer-invalid", message, { key }), severity });
  };
  if (tokens.type !== "array" || tokens.elementType !== "string") {
    invalid(TOKENS, `${TOKENS} is ${kindOf(tokens)}, not an array of strings.`);
    return findings;
  }
  for (const [key, elementTypes] of [
    [SCORES, ["f32", "i32"]],
    [TYPES, ["i32", "u32"]],
  ] as const) {
    const array = metadata.get(key);
    if (array === undefined) continue;
    if (array.type !== "array" || !elementTypes.some((type) => type === array.elementType))
      invalid(key, `${key} is ${kindOf(array)}, not an array of ${elementTypes[0]}.`);
    else if (array.length !== tokens.length)
      // entries without a token are never looked at
      invalid(
        key,
        `${key} has ${array.length} entries for ${tokens.length} tokens.`,
        array.length > tokens.length ? "warning" : "error",
      );
  }
  const merges = metadata.get(MERGES);
  if (merges !== undefined && (merges.type !== "array" || merges.elementType !== "string"))
    invalid(MERGES, `${MERGES} is ${kindOf(merges)}, not an array of strings.`);
  return findings;
}

function kindOf(value: MetadataValue): string {
  return value.type === "array" ? `an array of ${value.elementType}` : value.type;
}

/** Ids, types and texts: decodes the vocabulary. */
export function vocabularyFindings(metadata: Metadata): Finding[] {
  const tokens = stringsOf(metadata.get(TOKENS));
  if (tokens === undefined) return [];
  return [
    ...idFindings(metadata, tokens.length),
    ...typeFindings(metadata.get(TYPES), tokens),
    ...duplicateFindings(tokens),
    ...mergeFindings(metadata, tokens),
  ];
}

function stringsOf(value: MetadataValue | undefined): readonly string[] | undefined {
  return value?.type === "array" && value.elementType === "string" ? value.value : undefined;
}

function idFindings(metadata: Metadata, count: number): Finding[] {
  return [...metadata].flatMap(([key, { value }]) =>
    /^tokenizer\.ggml\.\w+_token_id$/.test(key) && typeof value === "number" && value >= count
      ? [finding("token-id", `${key} is ${value}; the vocabulary has ${count} tokens.`, { key })]
      : [],
  );
}

/** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte (llama.h, llama_token_type). */
const LAST_TYPE = 6;
const BYTE = 6;

function typeFindings(types: MetadataValue | undefined, tokens: readonly string[]): Finding[] {
  if (types?.type !== "array" || !isNumbers(types)) return [];
  const odd: string[] = [];
  const notBytes: string[] = [];
  const count = Math.min(types.length, tokens.length);
  for (let id = 0; id < count; id++) {
    const type = types.value[id] ?? 0;
    if (type < 1 || type > LAST_TYPE) odd.push(`${type} (token ${id})`);
    if (type === BYTE && !/^<0x[0-9A-F]{2}>$/i.test(tokens[id] ?? "")) notBytes.push(`token ${id}`);
  }
  return [
    ...(odd.length === 0
      ? []
      : [
          finding("token-type", `${odd.length} tokens have a type that does not exist: ${few(odd)}.`, {
            key: TYPES,
          }),
        ]),
    ...(notBytes.length === 0
      ? []
      : [
          finding(
            "byte-token",
            `${notBytes.length} byte tokens are not written <0x00> to <0xFF>: ${few(notBytes)}.`,
            {
              key: TOKENS,
            },
          ),
        ]),
  ];
}

function isNumbers(array: MetadataArray): array is MetadataArray & { readonly value: ArrayLike<number> } {
  return !["bool", "string", "array", "u64", "i64"].includes(array.elementType);
}

/** Of a vocabulary that is asked about more than once: as the source has it, and as the plan made from it. */
const knownTokens = /* @__PURE__ */ new WeakMap<readonly string[], WeakRef<ReadonlySet<string>>>();
const knownUnknownMerges = /* @__PURE__ */ new WeakMap<
  readonly string[],
  { readonly tokens: readonly string[]; readonly unknown: readonly string[] }
>();

function distinctTokens(tokens: readonly string[]): ReadonlySet<string> {
  const known = knownTokens.get(tokens)?.deref();
  if (known !== undefined) return known;
  const made = new Set(tokens);
  // a set of 150,000 texts has 7 MB: it is not to live as long as the plan
  knownTokens.set(tokens, new WeakRef(made));
  return made;
}

function duplicateFindings(tokens: readonly string[]): Finding[] {
  if (distinctTokens(tokens).size === tokens.length) return [];
  const first = new Map<string, number>();
  const twice: string[] = [];
  for (const [id, token] of tokens.entries()) {
    const before = first.get(token);
    if (before === undefined) first.set(token, id);
    // a row that no text has: readers give each its own name
    else if (token !== "") twice.push(`${before} and ${id}`);
  }
  if (twice.length === 0) return [];
  return [
    finding("duplicate-token", `${twice.length} tokens have the text of another: ${few(twice)}.`, {
      key: TOKENS,
    }),
  ];
}

function mergeFindings(metadata: Metadata, tokens: readonly string[]): Finding[] {
  const merges = stringsOf(metadata.get(MERGES));
  if (merges === undefined) return [];
  const unknown = unknownMerges(merges, tokens);
  return unknown.length === 0
    ? []
    : [
        finding(
          "unknown-merge",
          `${unknown.length} merges name tokens that do not exist: ${few(unknown.map((merge) => quoted(merge)))}.`,
          {
            key: MERGES,
          },
        ),
      ];
}

function unknownMerges(merges: readonly string[], tokens: readonly string[]): readonly string[] {
  const before = knownUnknownMerges.get(merges);
  if (before?.tokens === tokens) return before.unknown;
  const known = distinctTokens(tokens);
  const unknown = merges.filter((merge) => {
    // a part may begin with a space of its own
    const cut = merge.indexOf(" ", 1);
    if (cut < 0) return true;
    const [left, right] = [merge.slice(0, cut), merge.slice(cut + 1)];
    return !(known.has(left) && known.has(right) && known.has(left + right));
  });
  knownUnknownMerges.set(merges, { tokens, unknown });
  return unknown;
}
