/** A checkpoint's tokenizer as `tokenizer.*` keys (llama.cpp, conversion/base.py; gguf-py, vocab.py). */

import { ConversionError, type Finding, type Metadata, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { arrayField, flagField, isJsonObject, type JsonObject, objectField, textField } from "../json.ts";
import { bool, numberArray, string, stringArray } from "../metadata-values.ts";
import { likeHint, tokenizerKinds } from "./kinds.ts";
import type { TokenizerContext, TokenizerRules } from "./rules.ts";
import { chatTemplateMetadata, lostTemplateFindings, specialTokenMetadata } from "./special-tokens.ts";
import { templateNotes } from "./template-notes.ts";

/** Keys with the type of the normalizer that each stands for; BertNormalizer has the first two as settings. */
const normalizerKeys = [
  ["lowercase", "Lowercase"],
  ["strip_accents", "StripAccents"],
  ["nfc", "NFC"],
] as const;

function normalizerFlag(normalizer: JsonObject, key: string, type: string): boolean | undefined {
  if (textField(normalizer, "type") === "BertNormalizer") return flagField(normalizer, key);
  return textField(normalizer, "type") === type ? true : undefined;
}

/** @param tokenizerJson the one of the directory, or one that was made of its files */
function normalizerMetadata(tokenizerJson: JsonObject | undefined): [string, MetadataValue][] {
  const outer = objectField(tokenizerJson, "normalizer");
  if (outer === undefined) return [];
  const list = (arrayField(outer, "normalizers") ?? [outer]).filter(isJsonObject);
  return normalizerKeys.flatMap(([key, type]): [string, MetadataValue][] => {
    const flag = list.map((one) => normalizerFlag(one, key, type)).findLast((one) => one !== undefined);
    return flag === undefined ? [] : [[`tokenizer.ggml.normalizer.${key}`, bool(flag)]];
  });
}

function idsByText(tokens: readonly string[]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    ids.set(text, id);
  });
  return ids;
}

/**
 * The `tokenizer.*` keys of a checkpoint, set into `metadata` in order. Returns what was assumed.
 * @throws ConversionError when there is no tokenizer that the family's class could read.
 */
export function addTokenizerMetadata(
  metadata: Map<string, MetadataValue>,
  files: HfFiles,
  config: Config,
  architecture: string,
  rules: TokenizerRules,
): readonly Finding[] {
  const kind = rules.kinds.find((candidate) => tokenizerKinds[candidate].isThere(files));
  if (kind === undefined) {
    const type = textField(objectField(files.tokenizerJson, "model"), "type");
    throw new ConversionError(
      type === undefined
        ? "There is no tokenizer.json or tokenizer.model that can be mapped."
        : `The tokenizer.json is a ${type} model, from which no ${architecture} GGUF can be written.`,
      { path: "tokenizer.json", hint: likeHint },
    );
  }
  const written = tokenizerKinds[kind].write({ files, config, architecture, rules });
  const { model, pre, vocabulary, special } = written;
  // most families look up no token by its text
  let ids: ReadonlyMap<string, number> | undefined;
  const idOf = (text: string): number | undefined => {
    ids ??= idsByText(vocabulary.tokens);
    return ids.get(text);
  };
  const context: TokenizerContext = {
    files,
    config,
    metadata: metadata as Metadata,
    tokenId: idOf,
  };
  const put = (values: Iterable<readonly [string, MetadataValue]>): void => {
    for (const [key, value] of values) metadata.set(key, value);
  };
  if (written.keys !== undefined) {
    put(written.keys);
    return written.findings ?? [];
  }
  for (const extra of rules.before ?? []) put(extra(context));
  metadata.set("tokenizer.ggml.model", string(model));
  if (pre !== undefined) metadata.set("tokenizer.ggml.pre", string(pre));
  metadata.set("tokenizer.ggml.tokens", stringArray(vocabulary.tokens));
  if (vocabulary.scores !== undefined)
    metadata.set("tokenizer.ggml.scores", numberArray("f32", vocabulary.scores));
  metadata.set("tokenizer.ggml.token_type", numberArray("i32", vocabulary.types));
  if (vocabulary.merges !== undefined && vocabulary.merges.length > 0) {
    metadata.set("tokenizer.ggml.merges", stringArray(vocabulary.merges));
  }
  put(written.between?.first ?? []);
  for (const extra of rules.between ?? []) put(extra(context));
  put(written.between?.last ?? []);
  for (const [role, text] of rules.rolesByText ?? []) {
    const id = idOf(text);
    if (id !== undefined && !special.ids.has(role)) special.ids.set(role, id);
  }
  put(specialTokenMetadata(special));
  put(chatTemplateMetadata(files));
  put(normalizerMetadata(written.normalizedBy));
  for (const extra of rules.after ?? []) put(extra(context));
  return [
    ...(written.findings ?? []),
    ...lostTemplateFindings(files),
    ...templateNotes(files.tokenizerJson, metadata, vocabulary.tokens),
  ];
}
