/** The conformance suite with vectors of the tool: see vectors/README.md. */

import { describeFormat } from "@requant/core/testing";
import { quantoFormat } from "@requant/quanto";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: { quant_method: "quanto", weights: "int8", activations: null, modules_to_not_convert: null },
    otherShapes: { "model.layers.0.mlp.up_proj.bias": [entry.rows] },
  }),
);

describeFormat(quantoFormat, vectors, { describe, it, countSteps });
