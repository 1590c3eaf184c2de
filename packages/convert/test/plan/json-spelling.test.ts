/** Oracle: the source's own text. Python's json tells 30.0 from 30, and transformers 5 refuses the latter where a float belongs. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { stringifyLike } from "../../src/plan/json-spelling.ts";

const SOURCE = `{
  "final_logit_softcapping": 30.0,
  "rms_norm_eps": 1e-05,
  "big": 12345678901234567890,
  "minus": -0.0,
  "text": "1.0, \\" 2.0 \\\\",
  "nested": {
    "0": [
      1.0,
      2,
      {}
    ],
    "empty": []
  },
  "1.0": true,
  "none": null
}`;

describe("JSON text with the numbers of its source", () => {
  it("an unchanged value is the source's text", () => {
    expect(stringifyLike(SOURCE, JSON.parse(SOURCE), 2)).toBe(SOURCE);
    expect(stringifyLike(SOURCE, JSON.parse(SOURCE), "\t")).toBe(SOURCE.replaceAll("  ", "\t"));
  });

  it("a changed, a removed and a new key change their own lines only", () => {
    const { big: _, ...config } = JSON.parse(SOURCE);
    config.rms_norm_eps = 0.5;
    config.quantization_config = { bits: 4, left: undefined };
    const lines = SOURCE.split("\n").filter((line) => !line.includes('"big"'));
    const expected = lines
      .join("\n")
      .replace("1e-05", "0.5")
      .replace('"none": null', '"none": null,\n  "quantization_config": {\n    "bits": 4\n  }');
    expect(stringifyLike(SOURCE, config, 2)).toBe(expected);
  });

  it("a key named __proto__ stays a key", () => {
    const text = '{\n  "__proto__": {\n    "a": 1.0\n  }\n}';
    expect(stringifyLike(text, JSON.parse(text), 2)).toBe(text);
  });
});

it.each(["compressed-tensors:w8a8", "bnb:nf4-64", "fp8:block-128"])(
  "%s: config.json keeps every line of its source",
  async (target) => {
    const folder = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));
    const source = await openModel({ store: directoryStore(folder) });
    const output = memoryStore({ name: "o" });
    await runPlan(await planConversion(source, parseTarget(target)), source, output);
    await source.close();
    const lines = new TextDecoder().decode(output.files.get("config.json")).split(/,?\n/);
    const original = readFileSync(`${folder}/config.json`, "utf8").trim().split(/,?\n/);
    expect(original).toContain('  "attention_dropout": 0.0');
    expect(lines.slice(0, original.length - 1)).toEqual(original.slice(0, -1));
  },
);
