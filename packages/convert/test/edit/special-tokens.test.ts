import type { MetadataValue } from "@requant/core";
import { describe, expect, it } from "vitest";
import { tinyMetadata } from "../../../../fixtures/tiny-gguf.ts";
import { specialTokenId } from "../../src/edit/special-tokens.ts";

const EOS = "tokenizer.ggml.eos_token_id";
const withValue = (key: string, value: MetadataValue): Map<string, MetadataValue> =>
  new Map([...tinyMetadata, [key, value]]);

describe("specialTokenId", () => {
  it.each([
    ["<unk>", 0],
    ["<|im_end|>", 2],
    ["漢", 7],
  ])("%s is token %d", (token, id) => {
    expect(specialTokenId(tinyMetadata, EOS, token)).toEqual({ type: "u32", value: id });
  });

  it.each([
    ["<|im_end>", 'Near are "<|im_end|>".'],
    ["<|IM_END|>", 'Near are "<|im_end|>".'],
    ["im_", 'Near are "<|im_end|>", "<|im_start|>".'],
    [
      "<|endoftext|>",
      'No token is near. The special tokens of the file are "<s>", "<|im_end|>", "<|im_start|>".',
    ],
    [
      "2",
      `No token is near. The special tokens of the file are "<s>", "<|im_end|>", "<|im_start|>". To set the id itself, write ${EOS}=2.`,
    ],
  ])("%s is refused: %s", (token, hint) => {
    expect(() => specialTokenId(tinyMetadata, EOS, token)).toThrow(
      expect.objectContaining({
        code: "USAGE",
        message: `None of the 8 tokens has the text ${JSON.stringify(token)}.`,
        hint,
      }),
    );
  });

  it("refuses a text that two tokens have, a file without tokens, and an id of another type", () => {
    const twice = ["x", "y", "x"];
    const tokens: MetadataValue = { type: "array", elementType: "string", length: 3, value: twice };
    expect(() => specialTokenId(withValue("tokenizer.ggml.tokens", tokens), EOS, "x")).toThrow(
      /2 tokens have the text "x": 0, 2\./,
    );
    expect(() => specialTokenId(new Map(), EOS, "x")).toThrow(/no list of tokens/);
    expect(() => specialTokenId(withValue(EOS, { type: "i32", value: 1 }), EOS, "<s>")).toThrow(
      expect.objectContaining({ hint: `Write the type to change it: ${EOS}=u32:1.` }),
    );
  });
});
