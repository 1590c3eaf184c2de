/** A GGUF's tokenizer: arrays that must go together, and values that must mean something. */

import type { Finding, Metadata, MetadataArray, MetadataValue } from "@requant/core";
import { quoted } from "@requant/core/text";
import { finding } from "../../model/findings/finding.ts";
import { few } from "./few.ts";
import { type TextFaults, type Texts, textAt, textFaults } from "./text-faults.ts";

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

/** Ids, types and texts: reads the vocabulary. */
export function vocabularyFindings(metadata: Metadata): Finding[] {
  const tokens = textsOf(metadata.get(TOKENS));
  if (tokens === undefined) return [];
  const faults = textFaults(tokens, textsOf(metadata.get(MERGES)));
  return [
    ...idFindings(metadata, tokens.length),
    ...typeFindings(metadata.get(TYPES), tokens),
    ...duplicateFindings(faults),
    ...mergeFindings(faults),
  ];
}

function textsOf(value: MetadataValue | undefined): Texts | undefined {
  return value?.type === "array" && value.elementType === "string" ? value : undefined;
}

function idFindings(metadata: Metadata, count: number): Finding[] {
  return [...metadata].flatMap(([key, entry]) => {
    // the value of an array is decoded where it is asked for
    if (entry.type === "array" || !/^tokenizer\.ggml\.\w+_token_id$/.test(key)) return [];
    const { value } = entry;
    return typeof value === "number" && value >= count
      ? [finding("token-id", `${key} is ${value}; the vocabulary has ${count} tokens.`, { key })]
      : [];
  });
}

/** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte (llama.h, llama_token_type). */
const LAST_TYPE = 6;
const BYTE = 6;

function typeFindings(types: MetadataValue | undefined, tokens: Texts): Finding[] {
  if (types?.type !== "array" || !isNumbers(types)) return [];
  const odd: string[] = [];
  const notBytes: string[] = [];
  const count = Math.min(types.length, tokens.length);
  const values = types.value;
  const text = textAt(tokens);
  for (let id = 0; id < count; id++) {
    const type = values[id] ?? 0;
    if (type < 1 || type > LAST_TYPE) odd.push(`${type} (token ${id})`);
    if (type === BYTE && !/^<0x[0-9A-F]{2}>$/i.test(text(id))) notBytes.push(`token ${id}`);
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

function duplicateFindings({ twice }: TextFaults): Finding[] {
  if (twice.length === 0) return [];
  return [
    finding("duplicate-token", `${twice.length} tokens have the text of another: ${few(twice)}.`, {
      key: TOKENS,
    }),
  ];
}

function mergeFindings({ unknownCount, firstUnknown }: TextFaults): Finding[] {
  if (unknownCount === 0) return [];
  const named = few(
    firstUnknown.map((merge) => quoted(merge)),
    unknownCount,
  );
  return [
    finding("unknown-merge", `${unknownCount} merges name tokens that do not exist: ${named}.`, {
      key: MERGES,
    }),
  ];
}
