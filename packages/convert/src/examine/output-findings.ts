import type { Finding } from "@requant/core";
import { metadataFromJson } from "../plan/metadata-json.ts";
import type { Plan } from "../plan/plan.ts";
import { factFindings } from "./doctor/facts.ts";

/** Of what a plan would make: the metadata of the first GGUF file against all tensors. */
export function outputFindings(plan: Plan): Finding[] {
  const file = plan.files.find(({ kind }) => kind === "gguf");
  return file?.kind === "gguf" ? factFindings(metadataFromJson(file.metadata), plan.tensors) : [];
}
