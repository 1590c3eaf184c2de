/** The conformance suite with vectors of the tool: see vectors/README.md. */

import { describeFormat } from "@requant/core/testing";
import { eetqFormat } from "@requant/eetq";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: { quant_method: "eetq", weights: "int8", modules_to_not_convert: ["lm_head"] },
    expected: { facts: { symmetric: true, scalesAreHalf: true } },
  }),
);

describeFormat(eetqFormat, vectors, { describe, it, countSteps });
