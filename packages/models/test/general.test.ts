/**
 * Oracle: the values of llama.cpp's converter for these names (its heuristics as documented, and the golden vectors'
 * `general.*` keys).
 */
import { describe, expect, test } from "vitest";
import { readModelCard } from "../src/general/model-card.ts";
import { nameParts, titleOf } from "../src/general/model-name.ts";
import { countParameters, roundedCount, sizeLabel } from "../src/general/size-label.ts";

describe("names", () => {
  test.each<[string, number, object]>([
    [
      "Mistral-7B-Instruct-v0.3",
      7.2e9,
      { basename: "Mistral", sizeLabel: "7B", finetune: "Instruct", version: "v0.3" },
    ],
    ["mixtral-8x7B-v0.1", 46e9, { basename: "mixtral", sizeLabel: "8x7B", version: "v0.1" }],
    ["meta-llama/Llama-3.1-8B", 8e9, { organization: "meta-llama", basename: "Llama-3.1", sizeLabel: "8B" }],
    ["Phi-3-mini-128k-instruct", 3.8e9, { basename: "Phi-3", sizeLabel: "mini", finetune: "128k-instruct" }],
    ["bloom-7b1", 7.1e9, { basename: "bloom", sizeLabel: "7.1B" }],
    [
      "just-words",
      1e9,
      { basename: undefined, finetune: undefined, version: undefined, sizeLabel: undefined },
    ],
    ["A Sentence 7B", 7e9, { fullName: "A Sentence 7B" }],
  ])("%s", (id, parameters, parts) => {
    expect(nameParts(id, { parameterCount: parameters, isAtLeast: false })).toMatchObject(parts);
  });

  test.each([
    ["meta-llama-3.1-8b-instruct", "Meta Llama 3.1 8b Instruct"],
    ["Qwen2.5-Tiny-Instruct", "Qwen2.5 Tiny Instruct"],
    ["phi-3-v1.2", "Phi 3 v1.2"],
    ["qwen2-o1mini", "Qwen2 O1Mini"],
  ])("%s → %s", (id, title) => {
    expect(titleOf(id)).toBe(title);
  });
});

describe("size labels", () => {
  test.each([
    [7_241_732_096, "7.2B"],
    [46_702_792_704, "47B"],
    [166_000, "166K"],
    [1_400_000, "1.4M"],
    [1_000_000, "1000K"],
    [1_500_000_000_000, "1.5T"],
    [950, "1.0K"],
  ])("%d", (count, label) => {
    expect(roundedCount(count)).toBe(label);
  });

  test("experts are separate in the label", () => {
    const counts = countParameters([
      { name: "token_embd.weight", shape: [100, 10] },
      { name: "blk.0.ffn_up_exps.weight", shape: [8, 20, 10] },
      { name: "blk.0.ffn_up_exps.bias", shape: [8, 20] },
    ]);
    expect(counts).toEqual({ total: 2760, shared: 1160, oneExpert: 200, expertCount: 8 });
    expect(sizeLabel(counts)).toBe("8x1.4K");
  });
});

test("front matter of a README: scalars, lists, blocks; structures are skipped", () => {
  const card = readModelCard(
    [
      "---",
      "license: apache-2.0 # comment",
      'license_name: "quoted: name"',
      "language:",
      "- en",
      "- no",
      "tags: [a, 'b, c', \"d\"]",
      "base_model: org/name",
      "description: >-",
      "  two",
      "  lines",
      "model-index:",
      "- name: x",
      "  results:",
      "  - task: y",
      "empty:",
      "---",
      "license: not this",
    ].join("\n"),
  );
  expect(Object.fromEntries(card)).toEqual({
    license: "apache-2.0",
    license_name: "quoted: name",
    language: ["en", "no"],
    tags: ["a", "b, c", "d"],
    base_model: "org/name",
    description: "two lines",
  });
  expect(readModelCard("# no front matter\nlicense: x").size).toBe(0);
});
