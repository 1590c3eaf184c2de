/** Byte-level vocabularies at their real size that have no file of llama.cpp's converter beside them. Oracle: @huggingface/tokenizers. */
import { it } from "vitest";
import { asGguf, expectSameTokens } from "./real-vocabulary.ts";

it.each(["qwen3", "deepseek_v3"] as const)(
  "%s comes back as a tokenizer that gives every text the same tokens",
  async (name) => expectSameTokens(name, await asGguf(name)),
);
