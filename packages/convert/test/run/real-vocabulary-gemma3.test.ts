/** Gemma 3's vocabulary at its real size, without tokenizer.model, which llama.cpp's converter refuses. Oracle: @huggingface/tokenizers. */
import { it } from "vitest";
import { asGguf, expectSameTokens } from "./real-vocabulary.ts";

it("comes back as a tokenizer that gives the same tokens, but for runs of spaces that no token holds", async () =>
  // a GGUF does not say how such a run is cut; transformers 5 cuts it otherwise than the published file does
  expectSameTokens("gemma3", await asGguf("gemma3"), { leftOut: / {32}/ }));
