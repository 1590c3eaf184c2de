/** What a plan must know of a model, read from its files. */
import { elementCount, rowCount } from "@requant/core";
import { configTensors } from "@requant/models";
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
  if (hf === undefined) return { ...facts, hf: undefined, smallTensors: await readFactTensors(model) };
  const { fileMetadata } = hf;
  // a safetensors file alone has no config.json, hence no facts beside its tensors
  if (hf.config === undefined) {
    const sideFiles = model.kind?.hasBase === true ? await hf.sideFileBytes() : undefined;
    return { ...facts, hf: undefined, fileMetadata, sideFiles };
  }
  return { ...facts, hf: await hf.sideFiles(), sideFiles: await hf.sideFileBytes(), fileMetadata };
}

/** A factor for each pair of dimensions of a head. A longer tensor holds something else: the plan names it as not read. */
const MAX_ROPE_FACTORS = 65536;

async function readFactTensors(model: Model): Promise<ReadonlyMap<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of model.tensors) {
    if (!configTensors.includes(name) || elementCount(shape) > MAX_ROPE_FACTORS) continue;
    const out = new Float32Array(elementCount(shape));
    await model.weight(name).readRows(0, rowCount(shape), out);
    values.set(name, out);
  }
  return values;
}
