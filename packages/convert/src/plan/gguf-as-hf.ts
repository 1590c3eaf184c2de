/** A GGUF source under Hugging Face's names, for every target that is written as a Hugging Face directory. */
import { ConversionError } from "@requant/core";
import { type GgufContent, type GgufToHfOptions, ggufToHf, type HfPlan } from "@requant/models";
import { ownTensors } from "../model/scaled-weight.ts";
import type { PlanSource } from "./plan.ts";

/**
 * Plans config.json, the tokenizer files and the tensors of a GGUF source.
 * @throws ConversionError when the source has no GGUF metadata.
 */
export function ggufAsHf(source: PlanSource, dtype: GgufToHfOptions["dtype"]): HfPlan {
  const { gguf, tensors, smallTensors } = source;
  if (gguf === undefined) {
    throw new ConversionError("There is no GGUF metadata to make a config.json from.", {
      path: source.name,
      hint: "Give a GGUF file, or a directory with a config.json.",
    });
  }
  const facts: GgufContent = { metadata: gguf.metadata, tensors: ownTensors(tensors), smallTensors };
  return ggufToHf(facts, { dtype });
}
