/** What a plan must know of a model, read from its files. */
import { elementCount, rowCount } from "@requant/core";
import { configTensors, isMetadataTensor } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { SourceNeeds } from "./format.ts";
import { lookedAt } from "./look-at-source.ts";
import type { PlanSource } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { sampledTensors } from "./sample-costs.ts";

/** Reads what a plan needs: headers, side files, the small parts of linear weights, and what `needs` asks of values. */
export async function readPlanSource(
  model: Model,
  needs: SourceNeeds = {},
  options: Pick<PlanOptions, "signal" | "imatrix" | "statistics"> = {},
): Promise<PlanSource> {
  const source = await readFacts(model, needs, options);
  if (needs.sampling === undefined) return source;
  return { ...source, tensors: await sampledTensors(model, source, needs.sampling, options) };
}

async function readFacts(
  model: Model,
  needs: SourceNeeds,
  options: Pick<PlanOptions, "signal">,
): Promise<PlanSource> {
  const { name, format, variant, naming, architecture, files, storedTensors, gguf, hf } = model;
  const tensors = await lookedAt(model, needs, options);
  const { unclaimed, quantization } = model;
  const claims = { unclaimed, quantization };
  const facts = {
    name,
    format,
    variant,
    naming,
    architecture,
    files,
    tensors,
    storedTensors,
    ...claims,
    gguf,
  };
  if (hf === undefined)
    return {
      ...facts,
      hf: undefined,
      smallTensors: await valuesOf(model, (name) => configTensors.includes(name)),
    };
  const { fileMetadata } = hf;
  // a safetensors file alone has no config.json, hence no facts beside its tensors
  if (hf.config === undefined) {
    const sideFiles = model.kind?.hasBase === true ? await hf.sideFileBytes() : undefined;
    return { ...facts, hf: undefined, fileMetadata, sideFiles };
  }
  const values = await valuesOf(model, isMetadataTensor);
  return {
    ...facts,
    hf: { ...(await hf.sideFiles()), values },
    sideFiles: await hf.sideFileBytes(),
    fileMetadata,
  };
}

/** More than any tensor of facts has. A longer tensor holds something else: the plan names it as not read. */
const MAX_FACTS = 65536;

/** The values of small tensors that a plan reads facts from: rope factors, parameters of an activation. */
async function valuesOf(
  model: Model,
  isWanted: (name: string) => boolean,
): Promise<ReadonlyMap<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of model.tensors) {
    if (!isWanted(name) || elementCount(shape) > MAX_FACTS) continue;
    const out = new Float32Array(elementCount(shape));
    await model.weight(name).readRows(0, rowCount(shape), out);
    values.set(name, out);
  }
  return values;
}
