/** Plans Hugging Face-style directories and plain safetensors files of float weights. */

import { type Finding, UsageError } from "@requant/core";
import { adapterConfigFile, incompleteFindings } from "@requant/models";
import { ownPlan } from "../model/own-plan.ts";
import { isFloatEncoding, isQuantizedEncoding } from "./fidelity.ts";
import { planSafetensorsFiles } from "./files/safetensors-file.ts";
import { planSideFile } from "./files/side-file.ts";
import type { PlannedOutput } from "./format.ts";
import { ADAPTER_FILE, directoryOfGguf } from "./gguf-directory.ts";
import type { PlanFile, PlanSource, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planTensor } from "./plan-tensor.ts";
import { floatSideFiles, staleConfigFindings } from "./side-files.ts";
import type { TypedWeight } from "./typed-weight.ts";

/** Names of the dtypes in config.json. */
const CONFIG_DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;
type Dtype = keyof typeof CONFIG_DTYPES;

function isDtype(type: string): type is Dtype {
  return type in CONFIG_DTYPES;
}

export function planSafetensors(source: PlanSource, target: Target, options: PlanOptions): PlannedOutput {
  const type = String(target.settings["type"]);
  return source.gguf === undefined ? fromSafetensors(source, type, options) : fromGguf(source, type, options);
}

function fromGguf(source: PlanSource, type: string, options: PlanOptions): PlannedOutput {
  if (!isDtype(type)) {
    throw new UsageError("A GGUF has no safetensors dtypes to keep.", {
      hint: "Choose safetensors:f32, f16 or bf16.",
    });
  }
  const made = directoryOfGguf(source, type);
  const sources = byName(source.tensors);
  const tensors = made.tensors.map((plan) => planTensor({ ...plan, type }, sources));
  return {
    tensors,
    files: [
      ...planSafetensorsFiles(
        tensors,
        { format: "pt" },
        { shardSize: options.shardSize, name: made.weightsFile },
      ),
      ...[...made.files].map(([name, content]) => planSideFile(name, content)),
    ],
    leftOut: made.leftOut,
    findings: made.findings,
  };
}

function fromSafetensors(source: PlanSource, type: string, options: PlanOptions): PlannedOutput {
  const quantized = source.storedTensors.find(({ encoding }) => isQuantizedEncoding(encoding));
  if (quantized !== undefined && type === "COPY") {
    throw new UsageError(`The encoding ${quantized.encoding} is no safetensors dtype.`, {
      tensor: quantized.name,
    });
  }
  const own: PlanSource["tensors"] = type === "COPY" ? source.storedTensors : source.tensors;
  const weights = own.map(
    ({ encoding, ...tensor }): TypedWeight => ({
      ...ownPlan(tensor),
      // integers (position ids, masks) are no weights: they stay what they are
      type: type !== "COPY" && (isFloatEncoding(encoding) || isQuantizedEncoding(encoding)) ? type : encoding,
    }),
  );
  const sources = byName(own);
  const tensors = weights.map((weight) => planTensor(weight, sources));
  return {
    tensors,
    files: [
      ...planSafetensorsFiles(tensors, source.fileMetadata ?? {}, {
        shardSize: options.shardSize,
        name: options.outputName ?? (source.sideFiles?.has(adapterConfigFile) ? ADAPTER_FILE : undefined),
      }),
      ...sideFiles(source, type),
    ],
    leftOut: [],
    findings: type === "COPY" ? [] : [...staleConfigFindings(source), ...incomplete(source)],
  };
}

function incomplete({ hf }: PlanSource): readonly Finding[] {
  return hf === undefined ? [] : incompleteFindings(hf);
}

/** The directory's other files as they are; config.json with the new dtype, and without what it said about packed weights. */
function sideFiles(source: PlanSource, type: string): PlanFile[] {
  if (!isDtype(type)) {
    return [...(source.sideFiles ?? [])].map(([name, bytes]) => planSideFile(name, bytes));
  }
  return floatSideFiles(source, CONFIG_DTYPES[type]).map(([name, content]) => planSideFile(name, content));
}
