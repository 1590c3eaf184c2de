import { describeFormat, type FormatVector } from "@requant/core/testing";
import { gptqFormat } from "@requant/gptq";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import {
  goldenLinear,
  type LinearCase,
  linearCases,
  ownNames,
  vectorFolder,
  vectorOf,
} from "../../../fixtures/linear-cases.ts";

interface Variant {
  /** The tensor that holds the zero points in this form. */
  readonly zeros: string;
  readonly format: unknown;
  readonly quantizer: readonly string[];
}

const GPTQMODEL = ["gptqmodel:7.3.4"];

/** The stored forms of zero points in a case, and the tool that writes each form. */
function variantsOf({ facts, tensors }: LinearCase): Variant[] {
  if (tensors.has("qzeros")) {
    return [{ zeros: "qzeros", format: facts["checkpoint_format"], quantizer: GPTQMODEL }];
  }
  return [
    { zeros: "qzeros_v2", format: "gptq_v2", quantizer: GPTQMODEL },
    { zeros: "qzeros_v1", format: "gptq", quantizer: GPTQMODEL },
    // without a zero point of 0, the tool that wrote a v1 file makes no difference
    ...(facts["v1_fieldwise_plus1_equals_v2"] === true
      ? [{ zeros: "qzeros_v1", format: "gptq", quantizer: [] }]
      : []),
  ];
}

function gptqVectors(entry: LinearCase): FormatVector[] {
  const { facts, file } = entry;
  const { bits, group_size, sym, desc_act } = facts;
  const minZero = facts["min_zero_point"];
  return variantsOf(entry).map(({ zeros, format, quantizer }) =>
    vectorOf(entry, {
      name: `${file} ${zeros} ${quantizer}`,
      parts: { ...ownNames(["qweight", "scales", "g_idx"]), qzeros: zeros },
      config: {
        quant_method: "gptq",
        ...{ bits, group_size, sym, desc_act },
        checkpoint_format: format,
        meta: { quantizer },
      },
      expected: {
        layout: { bits },
        facts: {
          ...(typeof minZero === "number" ? { minZero } : {}),
          ...(sym === true ? { symmetric: true } : {}),
        },
      },
    }),
  );
}

/** AutoAWQ packs Marlin with the same tables as AutoGPTQ, which calls the two tensors B and s. */
function marlinVector(entry: LinearCase): FormatVector {
  return vectorOf(entry, {
    parts: { B: "qweight", s: "scales" },
    config: {
      quant_method: "gptq",
      bits: 4,
      group_size: entry.facts["group_size"],
      sym: true,
      checkpoint_format: "marlin",
    },
    expected: { facts: { symmetric: true } },
  });
}

function vectorsOf(folder: string): FormatVector[] {
  return [
    ...linearCases(folder, "manifest.json", /^gptq(-edge)?$/).flatMap(gptqVectors),
    ...linearCases(folder, "manifest.json", /^marlin$/).map(marlinVector),
  ];
}

describe("layers packed by GPTQModel, in this package", () =>
  describeFormat(gptqFormat, vectorsOf(vectorFolder(import.meta.url)), { describe, it, countSteps }));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined)
    describeFormat(gptqFormat, vectorsOf(golden), { describe, it, vectorsOnly: true });
});
