/** A model with a LoRA adapter merged into it, as a model that every target can be planned of. */
import { ConversionError, UsageError } from "@requant/core";
import {
  adapterAsGguf,
  adapterAsHf,
  type LoraAdapter,
  type LoraUpdate,
  type WholeTensor,
} from "@requant/models";
import { finding } from "../model/findings/finding.ts";
import { adapterReader, updatedRows } from "../model/lora-weight.ts";
import type { Model } from "../model/model.ts";
import { type ReplacedWeight, withReplacedWeights } from "../model/replaced-weights.ts";
import { adapterOf, filesOfBase } from "./adapter.ts";
import { readPlanSource } from "./read-plan-source.ts";

/**
 * The model with the updates of a LoRA adapter added to its weights as they are read. These weights are F32 then; all others are
 * copied as they are. The caller keeps both models open, and closes them.
 * @throws UsageError when the second model is no adapter; ConversionError when an update fits no weight of the first
 */
export async function mergedModel(base: Model, adapter: Model): Promise<Model> {
  if (base.kind !== undefined) {
    throw new UsageError(`An adapter is merged into a model; this is ${base.kind.name}.`, {
      path: base.name,
      hint: "Give the base model first, then the adapter.",
    });
  }
  if (adapter.kind?.hasBase !== true) {
    throw new UsageError(`This is ${adapter.kind?.name ?? "a model"}, not a LoRA adapter.`, {
      path: adapter.name,
      hint: "Give the base model first, then the adapter.",
    });
  }
  const { updates, whole } = await readUpdates(base, adapter);
  const names = new Map(base.tensors.map(({ name }) => [plainName(name), name]));
  const replaced = new Map<string, ReplacedWeight>();
  const add = (update: LoraUpdate | WholeTensor, rowsOf: (name: string) => ReplacedWeight["rows"]): void => {
    const name = names.get(plainName(update.weight));
    if (name === undefined) throw misfit(base, update.weight, "the base model has no weight of this name");
    const { shape } = base.tensor(name);
    if (shape.join() !== update.shape.join()) {
      const texts = [update.shape, shape].map((sizes) => `[${sizes.join(", ")}]`);
      throw misfit(base, name, `the update is of the shape ${texts[0]}, the weight of ${texts[1]}`);
    }
    if (replaced.has(name)) throw misfit(base, name, "the adapter changes it twice");
    replaced.set(name, { encoding: "F32", noView: "an adapter was merged into it", rows: rowsOf(name) });
  };
  for (const update of updates) add(update, (name) => () => updatedRows(base.weight(name), update, adapter));
  for (const tensor of whole) {
    add(tensor, (name) => {
      const reader = adapterReader(name, tensor, adapter);
      return () => reader.readRows;
    });
  }
  const list = [...replaced.keys()];
  const message = `The adapter ${adapter.name} is merged into ${list.length} ${list.length === 1 ? "weight" : "weights"}: ${list.join(", ")}.`;
  return {
    ...withReplacedWeights(base, replaced),
    merged: { base, adapter, weights: new Set(list), findings: [finding("merged", message)] },
  };
}

/** The updates by the base model's names. */
async function readUpdates(base: Model, adapter: Model): Promise<LoraAdapter> {
  const own = adapterOf(await readPlanSource(adapter));
  if (base.naming === adapter.naming) return own;
  const files = filesOfBase(await readPlanSource(base));
  return base.naming === "gguf" ? adapterAsGguf(own, files) : adapterAsHf(own, files);
}

/** Names differ by the prefix of a bare base model, and of a wrapper. */
function plainName(name: string): string {
  return name.replace(/^(?:_orig_mod\.|module\.)/, "").replace(/^(?:model|transformer)\./, "");
}

function misfit(base: Model, weight: string, why: string): ConversionError {
  return new ConversionError(`The update of ${weight} does not fit the base model: ${why}.`, {
    path: base.name,
    tensor: weight,
    hint: "Give the base model that adapter_config.json names.",
  });
}
