/** The conformance suite with vectors of the tool: see vectors/README.md. */
import { bitsAndBytesFormat } from "@requant/bitsandbytes";
import { describeFormat } from "@requant/core/testing";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { vectorFolder } from "../../../fixtures/linear-cases.ts";
import { toolCases, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);

const vectors = toolCases(folder).map((entry) =>
  toolVector(folder, entry, {
    config: {
      quant_method: "bitsandbytes",
      load_in_4bit: entry.kind !== "int8",
      load_in_8bit: entry.kind === "int8",
      bnb_4bit_quant_type: "nf4",
      llm_int8_skip_modules: ["lm_head"],
    },
  }),
);

describeFormat(bitsAndBytesFormat, vectors, { describe, it, countSteps });
