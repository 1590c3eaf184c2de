import { UsageError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import { planSafetensors } from "./float-directory.ts";
import type { Format } from "./format.ts";

const TYPES: readonly string[] = ["f32", "f16", "bf16", "copy"];

/** Float weights in safetensors: a Hugging Face-style directory, or a file alone. */
export const safetensorsFormat: Format = {
  name: "safetensors",
  target: {
    example: "safetensors:bf16",
    spellings: () => TYPES,
    examples: () => TYPES,
    parse(text) {
      if (TYPES.includes(text)) return { type: text.toUpperCase() };
      throw new UsageError(`"${bounded(text, 40)}" is no type of safetensors.${didYouMean(text, TYPES)}`, {
        hint: `Allowed: ${TYPES.join(", ")}.`,
      });
    },
    options: ["base"],
    keepsStored: ({ settings }) => settings["type"] === "COPY",
    plan: planSafetensors,
  },
};
