import { UnsupportedError } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { PlanSource } from "./plan.ts";

/**
 * The names of the two factors of an adapter's update (PEFT). A model that keeps an adapter for each of its tasks beside
 * the whole weights has them as parametrizations (jina-embeddings-v3): its weights are complete without them.
 */
const FACTOR = /(?<!\.parametrizations\.\w{1,20}\.\d{1,3})\.lora_(?:A|B|embedding_A|embedding_B)(?:\.|$)/;

/** @throws UnsupportedError for an adapter, whose tensors are no weights of a model */
export function refuseAdapter({ name, storedTensors }: Pick<PlanSource, "name" | "storedTensors">): void {
  const found = storedTensors.find((tensor) => FACTOR.test(tensor.name));
  if (found === undefined) return;
  throw new UnsupportedError(
    `This is a LoRA adapter, or a model with one that is not merged: ${bounded(found.name)} is a factor of an update, not a weight.`,
    {
      path: name,
      tensor: found.name,
      hint: "Merge the adapter into its base model first; adapter_config.json names that model.",
    },
  );
}
