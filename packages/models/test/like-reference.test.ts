/** `--like`: metadata, tokenizer and names from a reference GGUF of the same model, shapes compared with it. */

import { describe, expect, test } from "vitest";
import { type HfFiles, hfToGguf, likeReference, type ReferenceGguf } from "../src/index.ts";
import { messagesOf } from "./messages.ts";
import { readVector, vectorFiles } from "./vector.ts";

const qwen = vectorFiles(readVector("qwen2"));
const reference: ReferenceGguf = hfToGguf(qwen, { fileType: "BF16" });
/** The same model with an unknown class and an unknown tokenizer. */
const unknown: HfFiles = {
  ...qwen,
  config: { ...qwen.config, architectures: ["NewForCausalLM"], model_type: "new" },
  tokenizerJson: undefined,
};

test("a known architecture: everything but the file type is the reference's", () => {
  const plan = likeReference(unknown, reference, { fileType: "Q8_0" });
  expect(plan.metadata.get("general.file_type")).toEqual({ type: "u32", value: 7 });
  const others = (metadata: ReferenceGguf["metadata"]) =>
    [...metadata].filter(([key]) => key !== "general.file_type");
  expect(others(plan.metadata)).toEqual(others(reference.metadata));
  expect(plan.tensors).toEqual(hfToGguf(qwen, { fileType: "BF16" }).tensors);
  expect(plan.findings).toEqual([]);
});

test("an unknown architecture: names alone, and assumptions are reported", () => {
  const metadata = new Map(reference.metadata).set("general.architecture", {
    type: "string",
    value: "newarch",
  });
  const plan = likeReference(unknown, { metadata, tensors: reference.tensors }, { fileType: "F16" });
  expect(plan.architecture).toBe("newarch");
  expect(plan.tensors.map(({ name }) => name)).toEqual(reference.tensors.map(({ name }) => name));
  expect(messagesOf(plan)).toMatch(/same order/);
});

test("keys about how the reference was quantized or split are not copied", () => {
  const metadata = new Map(reference.metadata)
    .set("split.count", { type: "u16", value: 3 })
    .set("quantize.imatrix.file", { type: "string", value: "x" });
  const plan = likeReference(unknown, { ...reference, metadata }, { fileType: "F16" });
  expect([...plan.metadata.keys()].filter((key) => /^(?:split|quantize)\./.test(key))).toEqual([]);
});

describe("refuses", () => {
  test.each<[string, HfFiles, ReferenceGguf, RegExp]>([
    [
      "another shape",
      {
        ...unknown,
        tensors: unknown.tensors.map((one) =>
          one.name === "lm_head.weight" ? { ...one, shape: [1, 64] } : one,
        ),
      },
      reference,
      /output\.weight is \[1, 64\]/,
    ],
    [
      "a tensor the checkpoint lacks",
      { ...unknown, tensors: unknown.tensors.filter(({ name }) => name !== "lm_head.weight") },
      reference,
      /no tensor for output\.weight/,
    ],
    [
      "a tensor the reference lacks",
      unknown,
      { ...reference, tensors: reference.tensors.filter(({ name }) => name !== "output.weight") },
      /output\.weight is not in the reference/,
    ],
    [
      "a tensor without name there",
      { ...unknown, tensors: [...unknown.tensors, { name: "odd.weight", shape: [1], encoding: "F32" }] },
      reference,
      /odd\.weight/,
    ],
    [
      "a reference without architecture",
      unknown,
      { ...reference, metadata: new Map() },
      /general\.architecture/,
    ],
  ])("%s", (_, files, other, message) => {
    expect(() => likeReference(files, other, { fileType: "F16" })).toThrow(
      expect.objectContaining({ code: "CONVERSION", message: expect.stringMatching(message) }),
    );
  });
});
