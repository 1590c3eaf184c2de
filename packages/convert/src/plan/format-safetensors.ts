import { UsageError } from "@requant/core";
import { planSafetensors } from "./float-directory.ts";
import type { Format } from "./format.ts";

const TYPES: readonly string[] = ["f32", "f16", "bf16", "copy"];

/** Float weights in safetensors: a Hugging Face-style directory, or a file alone. */
export const safetensorsFormat: Format = {
  name: "safetensors",
  target: {
    example: "safetensors:bf16",
    spellings: () => TYPES,
    parse(text) {
      if (TYPES.includes(text)) return { type: text.toUpperCase() };
      throw new UsageError(`"${text}" is no type of safetensors.`, { hint: `Allowed: ${TYPES.join(", ")}.` });
    },
    keepsStored: ({ settings }) => settings["type"] === "COPY",
    plan: planSafetensors,
  },
};
