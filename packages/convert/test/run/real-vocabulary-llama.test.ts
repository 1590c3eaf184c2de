/** Llama's vocabularies at their real size. Oracles: the files that llama.cpp's converter writes, and @huggingface/tokenizers. */
import { describe, expect, it } from "vitest";
import { realVocabularies } from "../../../../fixtures/real-vocabularies.ts";
import { asGguf, expectSameTokens, sha256 } from "./real-vocabulary.ts";

describe.each(["llama3", "llama3_1"] as const)("%s", async (name) => {
  const gguf = await asGguf(name);

  it("becomes the file that llama.cpp's converter writes, byte for byte", () => {
    expect(sha256(gguf)).toBe(realVocabularies[name].convertedSha256);
  });

  it("comes back as a tokenizer that gives every text the same tokens", () => expectSameTokens(name, gguf));
});
