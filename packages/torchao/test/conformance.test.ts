/** The conformance suite with vectors of the tool: see vectors/README.md. */

import { describeFormat } from "@requant/core/testing";
import { torchaoFormat } from "@requant/torchao";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: { quant_method: "torchao", quant_type: "int8_weight_only", modules_to_not_convert: ["lm_head"] },
    prefix: "0.",
  }),
);

describeFormat(torchaoFormat, vectors, { describe, it, countSteps });
