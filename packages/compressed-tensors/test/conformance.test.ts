import { existsSync } from "node:fs";
import { join } from "node:path";
import { compressedTensorsCodec, compressedTensorsFormat } from "@requant/compressed-tensors";
import { describeFormat, type FormatVector } from "@requant/core/testing";
import { describe, expect, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import {
  goldenLinear,
  linearCases,
  ownNames,
  vectorFolder,
  vectorOf,
} from "../../../fixtures/linear-cases.ts";
import { neighbourVectors, valuesOf } from "./neighbour-vectors.ts";

function vectorsOf(folder: string): FormatVector[] {
  return linearCases(folder, "manifest.json", /^compressed-tensors/).map((entry) => {
    const { bits, group_size: groupSize, sym } = entry.facts;
    const weights = { num_bits: bits, type: "int", symmetric: sym, strategy: "group", group_size: groupSize };
    return vectorOf(entry, {
      parts: ownNames(compressedTensorsCodec.suffixes),
      config: {
        quant_method: "compressed-tensors",
        format: "pack-quantized",
        config_groups: { group_0: { targets: ["Linear"], weights } },
        ignore: ["lm_head"],
        version: "0.17.1",
      },
      expected: {
        layout: { bits, groupSize, symmetric: sym },
        facts: { symmetric: sym === true },
      },
    });
  });
}

const own = vectorFolder(import.meta.url);
const neighbours = neighbourVectors(join(own, "neighbours"));

describe("layers packed by compressed-tensors, in this package", () =>
  describeFormat(compressedTensorsFormat, [...vectorsOf(own), ...neighbours.whole], {
    describe,
    it,
    countSteps,
  }));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined)
    describeFormat(compressedTensorsFormat, vectorsOf(golden), { describe, it, vectorsOnly: true });
});

/** Codes and scales set by hand, NaN among them: no view holds these. */
describe.each(neighbours.values)("$name", (vector) => {
  it("has the values that the library computes", async () => {
    expect(await valuesOf(vector)).toBe(vector.expected.valuesSha256);
  });
});

const folder = join(process.env["REQUANT_GOLDEN"] ?? "", "neighbours");
describe.skipIf(process.env["REQUANT_GOLDEN"] === undefined || !existsSync(folder))(
  "the golden set of neighbour formats (skipped: REQUANT_GOLDEN is not set)",
  () => {
    const all = existsSync(folder) ? neighbourVectors(folder) : { whole: [], values: [] };
    describeFormat(compressedTensorsFormat, all.whole, { describe, it, vectorsOnly: true });
    it.each(all.values)("values of $name", async (vector) => {
      expect(await valuesOf(vector)).toBe(vector.expected.valuesSha256);
    });
  },
);
