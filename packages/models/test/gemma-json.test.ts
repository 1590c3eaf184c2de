/**
 * Gemma 1 to 3 without tokenizer.model. Oracle: the output of llama.cpp's converter for the same directory with
 * tokenizer.model.
 */

import { expect, test } from "vitest";
import { hfToGguf } from "../src/index.ts";
import { asListed } from "./golden.ts";
import { messagesOf } from "./messages.ts";
import { readVector, vectorContents, vectorFiles, vectorNames } from "./vector.ts";

const gemmas = vectorNames.filter((name) => /^gemma[23]?$/.test(name));

test("there are vectors to compare with", () => expect(gemmas).toContain("gemma3"));

test.each(gemmas)("%s: every key except the scores equals the key from tokenizer.model", (name) => {
  const vector = readVector(name);
  const contents = vectorContents(vector);
  expect(contents.delete("tokenizer.model")).toBe(true);
  expect(contents.has("tokenizer.json")).toBe(true);
  const plan = hfToGguf(vectorFiles(vector, contents), { fileType: vector.fileType });
  const isCompared = ({ key }: { readonly key: string }): boolean => key !== "tokenizer.ggml.scores";
  const ours = [...plan.metadata].map(([key, value]) => asListed(key, value)).filter(isCompared);
  expect(ours).toEqual(vector.metadata.filter(isCompared));
  expect(messagesOf(plan)).toMatch(/scores: from the order of the merges/);
});
