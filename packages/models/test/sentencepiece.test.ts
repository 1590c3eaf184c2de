/** Oracle: golden tokenizer.model files, whose pieces the reference converter's metadata list; and what is hostile must be refused. */
import { describe, expect, test } from "vitest";
import { parseSentencePiece, pieceTypes, serializeSentencePiece } from "../src/tokenizer/sentencepiece.ts";
import { readVector } from "./vector.ts";

const model = Buffer.from(readVector("llama2").tokenizerModel ?? "", "base64");

test("pieces of a real model", () => {
  const { pieces, modelType, addDummyPrefix, removeExtraWhitespaces } = parseSentencePiece(model);
  expect(pieces.length).toBe(512);
  expect([modelType, addDummyPrefix, removeExtraWhitespaces]).toEqual([2, true, false]);
  expect(pieces.slice(0, 4)).toEqual([
    { text: "<unk>", score: 0, type: pieceTypes.unknown },
    { text: "<s>", score: 0, type: pieceTypes.control },
    { text: "</s>", score: 0, type: pieceTypes.control },
    { text: "<0x00>", score: 0, type: pieceTypes.byte },
  ]);
  expect(pieces.at(-1)?.score).toBeLessThan(0);
});

test("a written model is read to the same pieces", () => {
  const { pieces } = parseSentencePiece(model);
  const again = parseSentencePiece(
    serializeSentencePiece(
      pieces,
      { unknown: 0, bos: 1, eos: 2 },
      {
        modelType: 2,
        addDummyPrefix: false,
        removeExtraWhitespaces: false,
        charsmap: new Uint8Array(0),
      },
    ),
  );
  expect(again.pieces).toEqual(pieces);
  expect(again).toMatchObject({
    modelType: 2,
    addDummyPrefix: false,
    removeExtraWhitespaces: false,
    unknownId: 0,
  });
});

test("every prefix is read or refused, never crashes", () => {
  for (let length = 0; length < Math.min(model.length, 600); length++) {
    try {
      parseSentencePiece(model.subarray(0, length));
    } catch (error) {
      expect(error).toMatchObject({ code: "FORMAT", path: "tokenizer.model" });
    }
  }
});

describe("refuses", () => {
  test.each<[string, number[], RegExp]>([
    ["nothing", [], /no pieces/],
    ["a length beyond the end", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], /are left/],
    ["a number without end", [0x0a, ...new Array<number>(11).fill(0x80)], /more than ten bytes/],
    ["a number cut short", [0x0a, 0x80], /ends inside a number/],
    ["field 0", [0x02, 0x00], /field 0/],
    ["a group", [0x0b], /wire type 3/],
    ["a piece that is not UTF-8", [0x0a, 0x03, 0x0a, 0x01, 0xff], /not UTF-8/],
  ])("%s", (_, bytes, message) => {
    expect(() => parseSentencePiece(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }),
    );
  });

  test("a Git LFS pointer, by name", () => {
    const pointer = new TextEncoder().encode(
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 500000\n",
    );
    expect(() => parseSentencePiece(pointer)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("git lfs pull") }),
    );
  });
});
