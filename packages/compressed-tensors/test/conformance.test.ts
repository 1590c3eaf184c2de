import { compressedTensorsCodec, compressedTensorsFormat } from "@requant/compressed-tensors";
import { describeFormat, type FormatVector } from "@requant/core/testing";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import {
  goldenLinear,
  linearCases,
  ownNames,
  vectorFolder,
  vectorOf,
} from "../../../fixtures/linear-cases.ts";

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
      },
      expected: {
        layout: { bits, groupSize, symmetric: sym },
        facts: { symmetric: sym === true },
      },
    });
  });
}

describe("layers packed by compressed-tensors, in this package", () =>
  describeFormat(compressedTensorsFormat, vectorsOf(vectorFolder(import.meta.url)), {
    describe,
    it,
    countSteps,
  }));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined)
    describeFormat(compressedTensorsFormat, vectorsOf(golden), { describe, it, vectorsOnly: true });
});
