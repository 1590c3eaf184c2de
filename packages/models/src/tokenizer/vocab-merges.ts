/** vocab.json and merges.txt, the files of byte-level BPE before tokenizer.json, put together as a tokenizer.json. */
import { ConversionError } from "@requant/core";
import type { HfFiles } from "../hf-files.ts";
import type { JsonObject } from "../json.ts";
import { textField } from "../json.ts";
import { type PreStep, preTokenizerJson, preTokenizerOfName } from "./pre-tokenizers.ts";

/** How the class of tokenizer_config.json splits a text before merging (transformers, convert_slow_tokenizer.py). */
const classes: Readonly<Record<string, { readonly pre: string; readonly normalizer?: string }>> = {
  GPT2Tokenizer: { pre: "gpt-2" },
  CodeGenTokenizer: { pre: "gpt-2" },
  Qwen2Tokenizer: { pre: "qwen2", normalizer: "NFC" },
};

/** Pairs of merges.txt: a comment first, then two parts on each line. Other lines are skipped, as in all readers. */
function mergesOf(text: string): readonly (readonly [string, string])[] {
  const lines = text.split("\n").map((line) => line.trim());
  if (lines[0]?.startsWith("#") === true) lines.shift();
  return lines.flatMap((line) => {
    const [left, right, ...more] = line.split(/\s+/);
    return left !== undefined && right !== undefined && left !== "" && more.length === 0
      ? [[left, right]]
      : [];
  });
}

function stepsOf(name: string): readonly PreStep[] {
  return preTokenizerOfName(name, "")?.steps ?? [];
}

/** @throws ConversionError when it is unknown how texts are split before merging. */
export function tokenizerJsonOfVocab(files: HfFiles): JsonObject {
  const className = (textField(files.tokenizerConfig, "tokenizer_class") ?? "").replace(/Fast$/, "");
  const known = Object.hasOwn(classes, className) ? classes[className] : undefined;
  if (known === undefined) {
    const found = className === "" ? "nothing" : className;
    throw new ConversionError(
      `The files vocab.json and merges.txt need a tokenizer_class that says how texts are cut; ${found} was found.`,
      {
        path: "tokenizer_config.json",
        hint: "Save the tokenizer as tokenizer.json, or give a GGUF of the same model as `like`.",
      },
    );
  }
  return {
    normalizer: known.normalizer === undefined ? null : { type: known.normalizer },
    pre_tokenizer: preTokenizerJson(stepsOf(known.pre)),
    model: { type: "BPE", vocab: files.vocabJson ?? {}, merges: mergesOf(files.mergesText ?? "") },
  };
}
