/** The models of a repository of GGUF files. Oracle: names as publishers of GGUF files write them. */
import { describe, expect, it } from "vitest";
import { ggufChoices, matchingGgufs } from "../src/choices.ts";

describe("GGUF files of a repository", () => {
  const choices = ggufChoices(
    [
      ["README.md", 1],
      ["Llama-3-8B.Q8_0.gguf", 80],
      ["Llama-3-8B-Q4_K_M.gguf", 40],
      ["Llama-3-8B-UD-Q4_K_XL.gguf", 42],
      ["llama_3_8b_iq4_xs.gguf", 36],
      ["BF16/Llama-3-8B-BF16-00002-of-00002.gguf", 60],
      ["BF16/Llama-3-8B-BF16-00001-of-00002.gguf", 100],
      ["F32/Llama-3-8B-00001-of-00001.gguf", 320],
      ["gpt-oss-MXFP4.gguf", 30],
      ["odd.gguf", 20],
      ["mmproj-F16.gguf", 5],
      ["Llama-3-8B.imatrix.gguf", 4],
    ].map(([path, byteLength]) => ({ path: String(path), byteLength: Number(byteLength) })),
  );

  it("are told apart by name, split sets are one, and companions are no models", () => {
    expect(choices.map(({ file, quantization, byteLength }) => [file, quantization, byteLength])).toEqual([
      ["odd.gguf", undefined, 20],
      ["gpt-oss-MXFP4.gguf", "MXFP4", 30],
      ["llama_3_8b_iq4_xs.gguf", "IQ4_XS", 36],
      ["Llama-3-8B-Q4_K_M.gguf", "Q4_K_M", 40],
      ["Llama-3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", 42],
      ["Llama-3-8B.Q8_0.gguf", "Q8_0", 80],
      ["BF16/Llama-3-8B-BF16-00001-of-00002.gguf", "BF16", 160],
      ["F32/Llama-3-8B-00001-of-00001.gguf", "F32", 320],
    ]);
  });

  it.each([
    ["Q4_K_M", ["Llama-3-8B-Q4_K_M.gguf"]],
    ["q8_0", ["Llama-3-8B.Q8_0.gguf"]],
    ["Q4_K_XL", ["Llama-3-8B-UD-Q4_K_XL.gguf"]],
    ["iq4_xs", ["llama_3_8b_iq4_xs.gguf"]],
    ["bf16", ["BF16/Llama-3-8B-BF16-00001-of-00002.gguf"]],
    ["odd", ["odd.gguf"]],
    ["Q4_K", []],
    ["Q5_K_M", []],
  ])("%s picks", (quantization, files) => {
    expect(matchingGgufs(choices, quantization).map(({ file }) => file)).toEqual(files);
  });

  it("a long word before the quantization belongs to the model's name", () => {
    const file = `${"a_b".repeat(40)}_q4_k_m.gguf`;
    expect(ggufChoices([{ path: file }])[0]?.quantization).toBe("Q4_K_M");
    expect(ggufChoices([{ path: `${"q4_k".repeat(40)}.gguf` }])[0]?.quantization).toBeUndefined();
  });

  it("a vision part alone is a model", () => {
    expect(ggufChoices([{ path: "mmproj-F16.gguf" }])).toHaveLength(1);
  });
});
