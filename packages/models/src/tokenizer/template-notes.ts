/**
 * Notes where tokenizer.json and llama.cpp put different special tokens around a text, although the GGUF equals the
 * converter's.
 */

import type { Finding, Metadata } from "@requant/core";
import { arrayField, isJsonObject, type JsonObject, objectField, textField } from "../json.ts";
import { boolOf, numberOf } from "../metadata-values.ts";
import { note } from "../note.ts";

interface Around {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

function templateAround(processor: JsonObject): Around {
  const pieces = (arrayField(processor, "single") ?? []).filter(isJsonObject);
  const text = pieces.findIndex((piece) => objectField(piece, "Sequence") !== undefined);
  const ids = (some: readonly JsonObject[]): string[] =>
    some.flatMap((piece) => textField(objectField(piece, "SpecialToken"), "id") ?? []);
  return { before: ids(pieces.slice(0, Math.max(0, text))), after: ids(pieces.slice(text + 1)) };
}

function pairAround(processor: JsonObject): Around {
  const token = (key: string): string[] => {
    const text = arrayField(processor, key)?.[0];
    return typeof text === "string" ? [text] : [];
  };
  return { before: token("cls"), after: token("sep") };
}

const aroundByType: Readonly<Record<string, (processor: JsonObject) => Around>> = {
  TemplateProcessing: templateAround,
  RobertaProcessing: pairAround,
  BertProcessing: pairAround,
};

const sides = [
  ["before", "bos"],
  ["after", "eos"],
] as const;

/**
 * One note for each side of a text where tokenizer.json adds other tokens than the metadata. Without such metadata,
 * llama.cpp decides by the kind of vocabulary, and there is no note.
 */
export function templateNotes(
  tokenizerJson: JsonObject | undefined,
  metadata: Metadata,
  tokens: readonly string[],
): Finding[] {
  const outer = objectField(tokenizerJson, "post_processor");
  if (outer === undefined) return [];
  const around = (arrayField(outer, "processors") ?? [outer]).filter(isJsonObject).flatMap((processor) => {
    const type = textField(processor, "type") ?? "";
    return Object.hasOwn(aroundByType, type) ? (aroundByType[type]?.(processor) ?? []) : [];
  });
  const spelled = (texts: readonly string[]): string => (texts.length === 0 ? "nothing" : texts.join(" "));
  return sides.flatMap(([side, role]) => {
    const adds = boolOf(metadata.get(`tokenizer.ggml.add_${role}_token`));
    if (adds === undefined) return [];
    const id = numberOf(metadata.get(`tokenizer.ggml.${role}_token_id`));
    const ours = adds && id !== undefined ? [tokens[id] ?? ""] : [];
    const theirs = around.flatMap((one) => one[side]);
    if (spelled(theirs) === spelled(ours)) return [];
    return [
      note(
        "tokenizer-differs",
        `The tokenizer.json puts ${spelled(theirs)} ${side} a text, llama.cpp puts ${spelled(ours)}: its converter reads the files so.`,
        { path: "tokenizer.json" },
      ),
    ];
  });
}
