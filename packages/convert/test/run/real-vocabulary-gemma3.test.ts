/** Gemma 3's vocabulary at its real size, without tokenizer.model, which llama.cpp's converter refuses. Oracle: @huggingface/tokenizers. */
import { it } from "vitest";
import { asGguf, expectSameTokens } from "./real-vocabulary.ts";

it("comes back as a tokenizer that gives every text the same tokens", async () =>
  expectSameTokens("gemma3", await asGguf("gemma3")));
