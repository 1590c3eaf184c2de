/** The directory of floats that a GGUF becomes: a model, an adapter, or a projector. */
import { type HfPlan, projectorToHf } from "@requant/models";
import { finding } from "../model/findings/finding.ts";
import { adapterAsPeft, hasBase } from "./adapter.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import type { PlanSource } from "./plan.ts";

/** What is written: tensors under Hugging Face's names, and the files beside them. */
export interface DirectoryPlan extends Pick<HfPlan, "files" | "tensors" | "leftOut" | "findings"> {
  /** The name of the file of weights, where it is not the usual one. */
  readonly weightsFile?: string;
}

/** PEFT's name for the weights of an adapter. */
export const ADAPTER_FILE = "adapter_model.safetensors";

export function directoryOfGguf(source: PlanSource, dtype: "F32" | "F16" | "BF16"): DirectoryPlan {
  if (hasBase(source)) {
    return { leftOut: [], findings: [], ...adapterAsPeft(source), weightsFile: ADAPTER_FILE };
  }
  const { gguf, tensors } = source;
  if (gguf?.metadata.get("general.architecture")?.value !== "clip") return ggufAsHf(source, dtype);
  const message =
    "No config.json is written: the projector's settings are a part of that of the whole model.";
  return {
    ...projectorToHf(gguf.metadata, tensors),
    files: new Map(),
    findings: [finding("not-stored", message, { path: "config.json" })],
  };
}
