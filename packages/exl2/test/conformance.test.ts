import { describeFormat, type FormatVector } from "@requant/core/testing";
import { exl2Codec, exl2Format } from "@requant/exl2";
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
  return linearCases(folder, "manifest.json", /^exl2$/).map((entry) => {
    const rows = Number(entry.facts["out_features"]);
    return vectorOf(entry, {
      parts: ownNames(exl2Codec.suffixes),
      config: { quant_method: "exl2", version: "0.3.2", bits: 4, head_bits: 6 },
      // rows are stored in 32s, and a bias tells how many of them are not padding
      otherShapes: { "model.layers.0.mlp.up_proj.bias": [rows] },
      expected: {
        layout: { storedRows: entry.facts["stored_columns"] },
        facts: { symmetric: true, rounding: "f16" },
      },
    });
  });
}

describe("layers packed by exllamav2, in this package", () =>
  describeFormat(exl2Format, vectorsOf(vectorFolder(import.meta.url)), { describe, it, countSteps }));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined)
    describeFormat(exl2Format, vectorsOf(golden), { describe, it, vectorsOnly: true });
});
