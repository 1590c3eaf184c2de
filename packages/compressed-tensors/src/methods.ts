/** How configurations of compressed-tensors are recognised, and which of them have transforms that no reader understands. */
import type { FormatMethod } from "@requant/core/format";
import { unfoldableTransform } from "./transforms.ts";

type Json = Readonly<Record<string, unknown>>;

const NAMES: readonly string[] = ["compressed-tensors", "sparseml"];

function isSign(settings: Json): boolean {
  return "config_groups" in settings && !("quant_algo" in settings);
}

/** compressed-tensors, with its former name. */
export const compressedTensorsMethod: FormatMethod = {
  names: NAMES,
  isSign,
  sections: ["compression_config"],
  leavesFloats: true,
  runtimeTransform(settings) {
    const method = settings["quant_method"] ?? settings["method"];
    const isOwn = typeof method === "string" ? NAMES.includes(method) : isSign(settings);
    return unfoldableTransform(settings, isOwn);
  },
};
