import type { Format } from "./format.ts";
import { planSafetensors } from "./plan-safetensors.ts";
import { safetensorsSource } from "./safetensors-source.ts";

const TYPES: readonly string[] = ["f32", "f16", "bf16", "copy"];

/** Float weights in safetensors: a Hugging Face-style directory, or a file alone. */
export const safetensorsFormat: Format = {
  name: "safetensors",
  source: safetensorsSource,
  target: {
    example: "safetensors:bf16",
    allowed: () => TYPES,
    parse(tokens) {
      const [token, ...rest] = tokens;
      return token !== undefined && rest.length === 0 && TYPES.includes(token)
        ? { type: token.toUpperCase() }
        : undefined;
    },
    keepsStored: ({ settings }) => settings["type"] === "COPY",
    plan: planSafetensors,
  },
};
