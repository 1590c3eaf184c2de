import { fileTypeAliases, fileTypeByName, fileTypes } from "@requant/gguf";
import { isFloatEncoding } from "./fidelity.ts";
import type { Format } from "./format.ts";
import { planGgufParts } from "./gguf-parts.ts";
import { refuseOwnTypes } from "./sized-draft.ts";

/** The smallest exact type for each weight; with "-f16" packed weights that no block type holds are rounded to F16. */
const AUTO: readonly string[] = ["AUTO", "AUTO-F16"];

/** GGUF files, single or split. Targets are llama-quantize's file types. */
export const ggufFormat: Format = {
  name: "gguf",
  target: {
    example: "gguf:q8_0",
    spellings: () =>
      [...fileTypes.map(({ name }) => name), ...Object.keys(fileTypeAliases), ...AUTO].map((name) =>
        name.toLowerCase(),
      ),
    examples: () => ["q4_k_m", "q5_k_m", "q6_k", "bf16", "auto"],
    options: [
      "allowRequantize",
      "base",
      "grids",
      "imatrix",
      "keepSplit",
      "leaveOutputTensor",
      "like",
      "outputTensorType",
      "part",
      "pruneLayers",
      "pure",
      "set",
      "statistics",
      "targetSize",
      "tensorTypes",
      "tokenEmbeddingType",
      "typeCosts",
    ],
    needs: ({ settings }) =>
      settings["type"] === "AUTO"
        ? { offsets: true, narrowest: settings["float"] !== "F16", grids: "always" }
        : { grids: isFloatEncoding(String(settings["type"])) ? undefined : "asked" },
    parse(text) {
      const auto = AUTO.find((word) => word.toLowerCase() === text);
      if (auto !== undefined) return auto === "AUTO" ? { type: "AUTO" } : { type: "AUTO", float: "F16" };
      // names of forks and of old versions are refused as such
      return { type: fileTypeByName(text).name };
    },
    refuseContradictions: refuseOwnTypes,
    plan: planGgufParts,
  },
};
