/** The model card: texts that a person wrote stay as they are. Expected texts are written by hand. */
import type { PlanReport } from "@requant/convert";
import { describe, expect, it } from "vitest";
import { type CardFacts, modelCard } from "../src/hub/output/card.ts";
import { parseFrontMatter, withFrontMatter } from "../src/hub/output/front-matter.ts";

const report: PlanReport = {
  source: {
    name: "m",
    format: "safetensors",
    variant: "safetensors, BF16",
    tensorCount: 2,
    parameterCount: 8,
    files: [],
  },
  target: {
    text: "gguf:q4_0",
    format: "gguf",
    settings: { type: "Q4_0" },
    files: [{ name: "m.gguf", byteLength: 2_000_000 }],
  },
  tensors: [
    { name: "a", shape: [2, 2], from: "BF16", to: "F32", fidelity: "exact", byteLength: 16 },
    {
      name: "b",
      shape: [2, 2],
      from: "BF16",
      to: "Q4_0",
      fidelity: "rounded",
      byteLength: 18,
      relativeRmse: 0.05,
    },
    {
      name: "c",
      shape: [2, 2],
      from: "BF16",
      to: "Q4_0",
      fidelity: "rounded",
      byteLength: 18,
      relativeRmse: 0.07,
    },
  ],
  leftOut: [],
  findings: [],
  byteLength: 52,
  fidelity: { copy: 0, exact: 1, rounded: 2, requantized: 0, float: 0 },
};
const facts: CardFacts = {
  repository: "me/m-GGUF",
  baseModel: "owner/m",
  sourceCard: "",
  licence: undefined,
  existing: "",
  models: [{ report, opened: { file: "m.gguf", folder: "" } }],
  recipe: ["--imatrix matrix.gguf"],
  version: "1.0.0",
};

describe("the model card", () => {
  it("of a new repository", () => {
    expect(modelCard({ ...facts, licence: "apache-2.0" })).toBe(`---
license: "apache-2.0"
base_model: owner/m
base_model_relation: quantized
tags:
- requant
---

# m-GGUF

<!-- requant: begin -->

## Quantization

Made from [owner/m](https://huggingface.co/owner/m) (safetensors, BF16) with Requant 1.0.0: \`gguf:q4_0\` with \`--imatrix matrix.gguf\`.

| file | size |
| --- | ---: |
| m.gguf | 2.00 MB |

1 of 3 tensors keep their values.

Measured errors of the others (root mean square, relative to the values):

| stored as | tensors | mean | largest |
| --- | ---: | ---: | ---: |
| Q4_0 | 2 | 6.00 % | 7.00 % |

## How to run

\`\`\`sh
llama-cli --hf-repo me/m-GGUF --hf-file m.gguf
\`\`\`

<!-- requant: end -->
`);
  });

  it("an existing text stays, around a section that is replaced", () => {
    const before = "---\nlicense: mit # mine\ntags: [a]\n---\nHello.\n";
    const first = modelCard({ ...facts, existing: before, licence: "other" });
    expect(first).toMatch(
      /^---\nlicense: mit # mine\ntags: \[a\]\nbase_model: owner\/m\nbase_model_relation: quantized\n---\nHello\.\n\n<!-- requant: begin -->/,
    );
    const after = modelCard({
      ...facts,
      existing: `${first}\nAfter.\n`,
      models: [{ report, opened: { file: "other.gguf", folder: "" } }],
    });
    expect(after.match(/requant: begin/g)).toHaveLength(1);
    expect(after).toContain("--hf-file other.gguf");
    expect(after).not.toContain("--hf-file m.gguf");
    expect(after.endsWith("<!-- requant: end -->\n\nAfter.\n")).toBe(true);
  });

  it("a foreign card gives its licence, and no lines of its own making", () => {
    const sourceCard = "---\nlicense: llama3\nevil line\n...\nlanguage:\n- en\n  - de\nother: x\n---\nbody";
    const card = modelCard({ ...facts, sourceCard, baseModel: undefined });
    expect(card).toMatch(/^---\nlicense: llama3\nlanguage:\n- en\n {2}- de\ntags:\n- requant\n---\n/);
  });
});

describe("front matter", () => {
  it("is read by keys; a text without it is all body", () => {
    expect([...parseFrontMatter("---\r\na: 1\r\nb:\r\n- x\r\n---\r\ntext").entries]).toEqual([
      ["a", "a: 1"],
      ["b", "b:\n- x"],
    ]);
    expect(parseFrontMatter("---\nnever closed")).toEqual({ entries: new Map(), body: "---\nnever closed" });
  });

  it("keys that are there are left alone", () => {
    const text = "---\na: 1\n---\nbody";
    expect(withFrontMatter(text, new Map([["a", "a: 2"]]))).toBe(text);
    expect(withFrontMatter("body", new Map([["a", "a: 2"]]))).toBe("---\na: 2\n---\n\nbody");
  });
});
