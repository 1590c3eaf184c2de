import type { ModelWarning } from "../model/model-warning.ts";
import { metadataFromJson } from "../plan/metadata-json.ts";
import type { Plan } from "../plan/plan.ts";
import { factFindings } from "./doctor/facts.ts";
import { asWarnings } from "./warnings.ts";

/** Of what a plan would make: the metadata of the first GGUF file against all tensors. */
export function planWarnings(plan: Plan): ModelWarning[] {
  const file = plan.files.find(({ kind }) => kind === "gguf");
  return file?.kind === "gguf" ? asWarnings(factFindings(metadataFromJson(file.metadata), plan.tensors)) : [];
}
