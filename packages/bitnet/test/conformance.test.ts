/** The conformance suite with vectors of the tool: see vectors/README.md. */
import { bitnetFormat } from "@requant/bitnet";
import { describeFormat } from "@requant/core/testing";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: { quant_method: "bitnet", modules_to_not_convert: ["lm_head"] },
    expected: { facts: { minOffset: -1, maxOffset: 1, symmetric: false } },
  }),
);

describeFormat(bitnetFormat, vectors, { describe, it, countSteps });
