/** The vocabularies of gpt-oss and GPT-4o at their real size: 200,000 tokens. Oracle: @huggingface/tokenizers. */
import { it } from "vitest";
import { asGguf, expectSameTokens } from "./real-vocabulary.ts";

it.each(["gptoss", "gpt4o"] as const)(
  "%s comes back as a tokenizer that gives every text the same tokens",
  async (name) => expectSameTokens(name, await asGguf(name)),
);
