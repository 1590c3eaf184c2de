/**
 * A model of any format as a GGUF of it would be: its metadata, and the rows of its weights in f32, by the names, in the shapes
 * and in the order of rows that llama.cpp uses. What a forward pass reads.
 */
import type { DecoderSource } from "@requant/calibrate";
import { ConversionError } from "@requant/core";
import { openWeight, type WeightReader } from "@requant/models";
import type { Model } from "../model/model.ts";
import { recent } from "../model/recently-used.ts";
import { weightSource } from "../model/weight-source.ts";
import { makePlan } from "../plan/make-plan.ts";
import { metadataFromJson } from "../plan/metadata-json.ts";
import type { Plan, PlanSource, PlanTensor } from "../plan/plan.ts";
import { readPlanSource } from "../plan/read-plan-source.ts";
import { parseTarget } from "../plan/target.ts";

/**
 * Reads headers and side files alone; weights are read when they are asked for.
 * @throws ConversionError for a model without names in GGUF
 */
export async function decoderSource(model: Model, signal?: AbortSignal): Promise<DecoderSource> {
  const plan = planOf(await readPlanSource(model, {}, { signal }));
  const [file] = plan.files;
  const metadata = metadataFromJson(file?.kind === "gguf" ? file.metadata : []);
  const tensors = new Map(plan.tensors.filter(isWeight).map((tensor) => [tensor.name, tensor]));
  const readers = new Map<string, WeightReader>();

  function readerOf(name: string): WeightReader {
    const tensor = tensors.get(name);
    // a name that is in no GGUF of the model: the model's own error says what it has
    if (tensor === undefined) return model.weight(name);
    // one that transposes holds its weight whole, so few are kept
    return recent(readers, name, () => openWeight(tensor, weightSource(model)));
  }

  return {
    metadata,
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    readRows: (name, start, end, out) => readerOf(name).readRows(start, end, out),
  };
}

/** A tokenizer that a GGUF cannot hold, or that is missing, keeps nobody from computing. */
function planOf(source: PlanSource): Plan {
  const target = parseTarget("gguf:f32");
  try {
    return makePlan(source, target);
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    return makePlan(source, target, { tokenizer: false });
  }
}

/** Not the factor of a whole weight that a GGUF stores beside its blocks: `readRows` has it multiplied in. */
function isWeight({ name, inputs }: PlanTensor): boolean {
  return !(/\.(?:input_)?scale$/.test(name) && inputs.some((input) => "values" in input));
}
