/** The conformance suite with vectors of the tool: see vectors/README.md. */

import { describeFormat } from "@requant/core/testing";
import { hqqFormat } from "@requant/hqq";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: {
      quant_method: "hqq",
      quant_config: { weight_quant_params: { nbits: 4, group_size: 64, axis: 1 } },
      skip_modules: ["lm_head"],
    },
  }),
);

describeFormat(hqqFormat, vectors, { describe, it, countSteps });
