/** The golden tiny llama with a SentencePiece vocabulary alone. Oracle: the GGUF files that llama.cpp's converter wrote from it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ggufToHf, hfToGguf, readHfFiles } from "../src/index.ts";
import { asListed, readDirectory } from "./golden.ts";
import { readTinyGguf } from "./tiny-gguf-reader.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";
const typeNumbers: Readonly<Record<string, number>> = { F32: 0, F16: 1, BF16: 30 };

describe.skipIf(golden === "")("tiny llama (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each([
    ["F32", "hf-tiny-llama-f16"],
    ["F16", "hf-tiny-llama-f16"],
    ["BF16", "hf-tiny-llama-bf16"],
  ])("%s, and back to the same", (type, directory) => {
    const folder = join(golden, "gguf/models");
    const file = readTinyGguf(readFileSync(join(folder, `tiny-llama-${type}.gguf`)));
    const name = `Hf Tiny Llama ${type[0]}${type.slice(1).toLowerCase()}`;
    const plan = hfToGguf(readDirectory(join(folder, directory)), { fileType: type, name });
    const listed = (entries: Iterable<Parameters<typeof asListed>>) =>
      [...entries].map((entry) => asListed(...entry));
    const wanted = listed(file.metadata.map(([key, value]) => [key, value]));
    expect(listed(plan.metadata)).toEqual(wanted);
    expect(
      plan.tensors.map((one) => [one.name, one.shape, typeNumbers[one.forceF32 ? "F32" : type]]),
    ).toEqual(file.tensors.map((one) => [one.name, one.shape, one.type]));
    // tokenizer.model comes back with every piece, score and type: converting again gives the same keys
    const back = ggufToHf(
      { metadata: new Map(file.metadata), tensors: file.tensors, smallTensors: undefined },
      { dtype: "F16" },
    );
    const tensors = back.tensors.map((one) => ({ name: one.name, shape: one.shape, encoding: "F16" }));
    const again = hfToGguf(readHfFiles("again", back.files, tensors), { fileType: type, name });
    const withoutSize = (entries: typeof wanted) => entries.filter(({ key }) => key !== "general.size_label");
    expect(withoutSize(listed(again.metadata))).toEqual(withoutSize(wanted));
  });
});
