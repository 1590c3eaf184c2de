/** InternLM 3: Llama's layers under the name llama (llama.cpp, conversion/internlm.py). A GGUF of it is a Llama's. */
import { flagField, isJsonObject, objectField, textField } from "../json.ts";
import { u32 } from "../metadata-values.ts";
import { spacePrefixOfConfig } from "../tokenizer/extras.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

/** A turn's end mark, where it is a special token, ends the text. */
const endOfTurn: TokenizerExtra = ({ files, metadata }) => {
  if (!metadata.has("tokenizer.ggml.eos_token_id")) return [];
  const added = Object.entries(objectField(files.tokenizerConfig, "added_tokens_decoder") ?? {});
  const found = added.find(
    ([, token]) =>
      isJsonObject(token) &&
      textField(token, "content") === "<|im_end|>" &&
      flagField(token, "special") === true,
  );
  return found === undefined ? [] : [["tokenizer.ggml.eos_token_id", u32(Number(found[0]))]];
};

export const internlm3: Architecture = {
  ...llama,
  classes: ["InternLM3ForCausalLM"],
  modelType: "internlm3",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  extraTensors: [],
  tokenizer: { kinds: ["sentencepiece"], between: [spacePrefixOfConfig], after: [endOfTurn], json: "llama" },
  writesBack: false,
};
