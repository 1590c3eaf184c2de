/** A model of any naming as the tensors of its GGUF, for rules that are written in GGUF's names. */
import type { Metadata } from "@requant/core";
import { hfToGguf, openWeight, type WeightPlan, type WeightReader } from "@requant/models";
import type { Model } from "../model.ts";
import { ownTensors } from "../scaled-weight.ts";
import { weightSource } from "../weight-source.ts";

/** Metadata, and how each tensor is made from the model's. */
export interface GgufView {
  readonly metadata: Metadata;
  readonly plans: readonly WeightPlan[];
  /** @param name in GGUF */
  open(name: string): WeightReader;
}

/** @throws ConversionError for a family that has no GGUF names */
export async function ggufView(model: Model): Promise<GgufView> {
  const { metadata, plans } = await planned(model);
  const byName = new Map(plans.map((plan) => [plan.name, plan]));
  return {
    metadata,
    plans,
    open(name) {
      const plan = byName.get(name) ?? { name, shape: model.tensor(name).shape, inputs: [{ tensor: name }] };
      return openWeight(plan, weightSource(model));
    },
  };
}

async function planned(model: Model): Promise<Pick<GgufView, "metadata" | "plans">> {
  if (model.gguf !== undefined) {
    const plans = ownTensors(model.tensors).map(({ name, shape }) => ({
      name,
      shape,
      inputs: [{ tensor: name }],
    }));
    return { metadata: model.gguf.metadata, plans };
  }
  const files = await model.hf?.sideFiles();
  if (files === undefined) return { metadata: new Map(), plans: [] };
  const { metadata, tensors } = hfToGguf(files, {
    fileType: "F32",
    tokenizer: false,
    contradictions: "report",
  });
  return { metadata, plans: tensors };
}
