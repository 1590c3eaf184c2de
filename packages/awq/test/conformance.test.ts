import { awqCodec, awqFormat } from "@requant/awq";
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

/** Versions that store scale × zero point, rounded. */
const ROUNDED: readonly unknown[] = ["gemv_fast", "llm-awq"];

function vectorsOf(folder: string): FormatVector[] {
  return linearCases(folder, "manifest.json", /^awq$/).map((entry) => {
    const { facts, tensors } = entry;
    const codes = tensors.get("ref.q_uint8")?.bytes;
    return vectorOf(entry, {
      parts: ownNames(awqCodec.suffixes),
      config: facts["quantization_config"],
      expected: {
        layout: { version: facts["version"], groupSize: facts["group_size"] },
        facts: {
          symmetric: facts["version"] === "marlin",
          storedOffsets: ROUNDED.includes(facts["version"]) ? "rounded" : "integer",
        },
        ...(codes === undefined ? {} : { codes }),
      },
    });
  });
}

describe("layers packed by AutoAWQ and llm-awq, in this package", () =>
  describeFormat(awqFormat, vectorsOf(vectorFolder(import.meta.url)), { describe, it, countSteps }));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) describeFormat(awqFormat, vectorsOf(golden), { describe, it, vectorsOnly: true });
});
