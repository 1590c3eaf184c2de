/**
 * The bundled trained model. Oracle: fixtures/kjv/reference.json, facts of the file that llama.cpp's converter wrote from it,
 * and a JavaScript tokenizer library on the original tokenizer.json.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "@huggingface/tokenizers";
import { elementCount, rowCount } from "@requant/core";
import { expect, test } from "vitest";
import { ggufToHf, hfToGguf, isRowSelection, openWeight, rowOrigins } from "../src/index.ts";
import { numberOf, stringOf } from "../src/metadata-values.ts";
import { readDirectory, readWeights, sha256 } from "./golden.ts";

const directory = fileURLToPath(new URL("../../../fixtures/kjv/hf", import.meta.url));
const reference = JSON.parse(
  readFileSync(new URL("../../../fixtures/kjv/reference.json", import.meta.url), "utf8"),
);
const expected: {
  readonly metadata: Readonly<Record<string, string | number>>;
  readonly tensors: readonly (readonly [string, string, string])[];
} = reference.files.find(
  (file: { target: string; converter?: boolean }) => file.target === "BF16" && file.converter,
);
const weights = readWeights(directory);
const files = readDirectory(directory, weights);
const plan = hfToGguf(files, { fileType: "BF16", name: "kjv-tiny-llama" });

test("metadata of the reference file", () => {
  for (const [key, value] of Object.entries(expected.metadata)) {
    const own = plan.metadata.get(key);
    expect([key, numberOf(own) ?? stringOf(own)]).toEqual([key, value]);
  }
});

test("every tensor's bytes: BF16 rows moved without decoding, norms as F32", async () => {
  const made: (readonly [string, string, string])[] = [];
  for (const tensor of plan.tensors) {
    if (tensor.forceF32) {
      const values = new Float32Array(elementCount(tensor.shape));
      await openWeight(tensor, weights.source).readRows(0, rowCount(tensor.shape), values);
      made.push([tensor.name, "F32", sha256(new Uint8Array(values.buffer))]);
      continue;
    }
    expect(isRowSelection(tensor)).toBe(true);
    const originOf = rowOrigins(tensor, weights.source.shapeOf);
    const rowBytes = (tensor.shape.at(-1) ?? 1) * 2;
    const rows = Array.from({ length: rowCount(tensor.shape) }, (_, index) => {
      const { tensor: name, row } = originOf(index);
      return weights.bytes(name).subarray(row * rowBytes, (row + 1) * rowBytes);
    });
    made.push([tensor.name, "BF16", sha256(Buffer.concat(rows))]);
  }
  expect(made).toEqual(expected.tensors);
});

test("its tokenizer.json comes back with the same ids on the held-out text", () => {
  const back = ggufToHf({ ...plan, smallTensors: undefined }, { dtype: "BF16" });
  const ours = new Tokenizer(JSON.parse(String(back.files.get("tokenizer.json"))), {});
  const theirs = new Tokenizer(files.tokenizerJson ?? {}, {});
  const lines = readFileSync(new URL("../../../fixtures/kjv/heldout.txt", import.meta.url), "utf8").split(
    "\n",
  );
  for (const line of lines) expect([line, ours.encode(line).ids]).toEqual([line, theirs.encode(line).ids]);
  expect(lines.length).toBeGreaterThan(390);
});
