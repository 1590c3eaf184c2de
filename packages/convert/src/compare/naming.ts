/** Weights of any model under Hugging Face's names and in its row order, where the architecture is known. */
import { CodecError } from "@requant/core";
import { type GgufContent, ggufToHf, hfToGguf, type WeightPlan } from "@requant/models";
import type { Model } from "../model/model.ts";
import { ownPlan } from "../model/own-plan.ts";
import { ownTensors } from "../model/scaled-weight.ts";

export interface CanonicalPlans {
  /** "gguf" only for GGUF files whose architecture has no map: the names are then the file's own. */
  readonly naming: "hf" | "gguf";
  readonly plans: readonly WeightPlan[];
}

/** Every tensor under its own name. */
export function ownPlans(model: Pick<Model, "tensors">): WeightPlan[] {
  return ownTensors(model.tensors).map(ownPlan);
}

/** Plans that give each weight of the model its Hugging Face name, shape and row order. */
export async function canonicalPlans(model: Model): Promise<CanonicalPlans> {
  if (model.gguf === undefined) return { naming: model.naming, plans: ownPlans(model) };
  try {
    const { metadata } = model.gguf;
    // rope factors change config.json alone, never a name or a row
    const facts: GgufContent = { metadata, tensors: ownTensors(model.tensors), smallTensors: undefined };
    const { tensors } = ggufToHf(facts, { dtype: "F32" });
    return { naming: "hf", plans: tensors };
  } catch (error) {
    if (error instanceof CodecError) return { naming: "gguf", plans: ownPlans(model) };
    throw error;
  }
}

/** Plans that give each weight of a Hugging Face model its GGUF name, shape and row order. */
export async function ggufPlans(model: Model): Promise<readonly WeightPlan[]> {
  const files = await model.hf?.sideFiles();
  if (files === undefined) return ownPlans(model);
  return hfToGguf(files, { fileType: "F32" }).tensors;
}
