import { UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import { planGgufFiles } from "../plan/files/gguf-file.ts";
import { planSafetensorsFiles } from "../plan/files/safetensors-file.ts";
import { planSideFile } from "../plan/files/side-file.ts";
import { assemblePlan } from "../plan/make-plan.ts";
import type { Plan, PlanFile, PlanSource, PlanTensor } from "../plan/plan.ts";
import { byName, planTensor } from "../plan/plan-tensor.ts";
import { readPlanSource } from "../plan/read-plan-source.ts";

/** How a model is cut into files. */
export interface SplitModelOptions {
  /** Name of the output without number: "model" for GGUF parts `model-00001-of-00003.gguf`. */
  readonly outputName?: string | undefined;
  /** Most tensors in one file: GGUF only. */
  readonly maxTensors?: number | undefined;
  /** Most bytes of tensors in one file. */
  readonly maxByteLength?: number | undefined;
}

/** Cuts a model into files, or into other ones; every tensor and key stays what it is. Run the plan as any other. */
export async function planModelSplit(model: Model, options: SplitModelOptions): Promise<Plan> {
  if (options.maxTensors === undefined && options.maxByteLength === undefined) {
    throw new UsageError("A split needs a limit.", {
      hint: "Say how many tensors or bytes one file may hold.",
    });
  }
  return planCopy(model, options);
}

/** Puts the files of a model into one. */
export async function planMerge(
  model: Model,
  options: { readonly outputName?: string | undefined } = {},
): Promise<Plan> {
  return planCopy(model, { outputName: options.outputName });
}

async function planCopy(model: Model, options: SplitModelOptions): Promise<Plan> {
  const source = await readPlanSource(model);
  const sources = byName(source.storedTensors);
  const tensors = source.storedTensors.map(({ name, shape, encoding }) =>
    planTensor({ name, shape, inputs: [{ tensor: name }], type: encoding }, sources),
  );
  const files =
    source.gguf === undefined
      ? safetensorsFiles(source, tensors, options)
      : ggufFiles(source, tensors, options);
  const word = source.gguf === undefined ? "safetensors" : "gguf";
  const target = { format: word, settings: { type: "COPY" }, text: `${word}:copy` };
  return assemblePlan(source, target, { tensors, files, leftOut: [], findings: [] });
}

function ggufFiles(
  source: PlanSource,
  tensors: readonly PlanTensor[],
  options: SplitModelOptions,
): PlanFile[] {
  return planGgufFiles(tensors, source.gguf?.metadata ?? new Map(), {
    name: options.outputName ?? "model",
    shardSize: options.maxByteLength,
    maxTensorCount: options.maxTensors,
  });
}

function safetensorsFiles(
  source: PlanSource,
  tensors: readonly PlanTensor[],
  options: SplitModelOptions,
): PlanFile[] {
  if (options.maxTensors !== undefined) {
    throw new UsageError("Safetensors are split by size only.", {
      hint: "Say how many bytes one file may hold.",
    });
  }
  const side = [...(source.sideFiles ?? [])].map(([name, bytes]) => planSideFile(name, bytes));
  const files = planSafetensorsFiles(tensors, source.fileMetadata ?? {}, {
    name: options.outputName,
    shardSize: options.maxByteLength ?? Number.MAX_SAFE_INTEGER,
  });
  return [...files, ...side];
}
