/**
 * Where scales can be folded in, for each family. Oracle: the tensors that llama.cpp's converter writes for each family; that each pair
 * leaves the model's outputs unchanged was shown by transformers on the same models (logits within 1.4e-6).
 */
import { elementCount, type Metadata } from "@requant/core";
import { describe, expect, it } from "vitest";
import { foldableFamilies, foldingsOf, hfToGguf } from "../src/index.ts";
import { readVector, vectorFiles, vectorNames } from "./vector.ts";

const planOf = (name: string) =>
  hfToGguf(vectorFiles(readVector(name)), { fileType: "F32", tokenizer: false, contradictions: "report" });

const seen = new Set<string>();

describe.each(vectorNames)("%s", (name) => {
  const { metadata, tensors, architecture } = planOf(name);
  const { foldings, findings } = foldingsOf(metadata, tensors);
  const shapes = new Map(tensors.map((tensor) => [tensor.name, tensor.shape]));
  const shapeOf = (tensor: string): readonly number[] => shapes.get(tensor) ?? [];
  seen.add(architecture);

  it("has foldings, or a finding that says that what reads its norms has not been gone through", () => {
    if (!foldableFamilies.includes(architecture)) {
      expect(foldings).toEqual([]);
      expect(findings).toMatchObject([{ code: "no-folding", severity: "note" }]);
    } else {
      expect(findings).toEqual([]);
      expect(foldings.length).toBeGreaterThan(0);
    }
  });

  it("divides and multiplies tensors that are there, of shapes that fit", () => {
    for (const { readers, columns, matrices, divided, sharedColumn } of foldings) {
      for (const reader of readers) expect(shapeOf(reader).at(-1)).toBe(columns);
      if (divided.kind === "norm") {
        for (const tensor of divided.tensors) expect(elementCount(shapeOf(tensor))).toBe(columns);
        continue;
      }
      const shape = shapeOf(divided.tensor);
      expect(divided.start + divided.count).toBe(shape.at(-2));
      expect(matrices).toBe(elementCount(shape.slice(0, -2)));
      const rows = sharedColumn ?? Int32Array.from({ length: columns }, (_, column) => column);
      expect([...new Set(rows)].sort((a, b) => a - b)).toEqual(
        Array.from({ length: divided.count }, (_, row) => row),
      );
    }
  });

  it("multiplies no weight twice, and leaves no norm before a layer undivided", () => {
    const readers = foldings.flatMap((folding) => folding.readers);
    expect(new Set(readers).size).toBe(readers.length);
    if (foldings.length === 0) return;
    const norms = foldings.flatMap(({ divided }) => (divided.kind === "norm" ? divided.tensors : []));
    const before = [...shapes.keys()].filter((tensor) => /^blk\.\d+\.(?:attn|ffn)_norm\./.test(tensor));
    expect(norms.toSorted()).toEqual(before.sort());
  });
});

it("the table names families that exist", () => {
  // without a vector: see qwen1.test.ts
  expect(foldableFamilies.filter((name) => name !== "qwen" && !seen.has(name))).toEqual([]);
});

describe("query heads that share a value head", () => {
  it("share its scales", () => {
    const metadata: Metadata = new Map([
      ["general.architecture", { type: "string", value: "llama" }],
      ["llama.attention.head_count", { type: "u32", value: 4 }],
      ["llama.attention.head_count_kv", { type: "u32", value: 2 }],
    ]);
    const { foldings } = foldingsOf(metadata, [
      { name: "blk.0.attn_v.weight", shape: [6, 12] },
      { name: "blk.0.attn_output.weight", shape: [12, 12] },
    ]);
    // heads of 3: columns of heads 0 and 1 read rows 0 to 2, those of heads 2 and 3 rows 3 to 5
    expect(foldings.map(({ sharedColumn }) => [...(sharedColumn ?? [])])).toEqual([
      [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5],
    ]);
  });
});

it("a layer with a weight that is not known in its family is left alone", () => {
  const metadata: Metadata = new Map([["general.architecture", { type: "string", value: "llama" }]]);
  const { foldings, findings } = foldingsOf(metadata, [
    { name: "blk.0.attn_norm.weight", shape: [8] },
    { name: "blk.0.attn_q.weight", shape: [8, 8] },
    { name: "blk.0.attn_gate.weight", shape: [8, 8] },
  ]);
  expect(foldings).toEqual([]);
  expect(findings).toHaveLength(1);
});
