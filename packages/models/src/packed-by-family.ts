import { CodecError } from "@requant/core";
import { architectureOfConfig } from "./architectures/index.ts";
import type { JsonObject } from "./json.ts";
import { codeTensors } from "./plan-tensors.ts";

/** The tensors with packed weights that the rules of this config's family read (MXFP4 experts of gpt-oss). */
export function packedByFamily(config: JsonObject, names: Iterable<string>): ReadonlySet<string> {
  try {
    return codeTensors(architectureOfConfig(config), names);
  } catch (error) {
    // a class without a family
    if (error instanceof CodecError) return new Set();
    throw error;
  }
}
