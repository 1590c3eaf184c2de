import type { Finding } from "@requant/core";
import { warningsOf } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { metadataFromJson } from "../plan/metadata-json.ts";
import type { Plan } from "../plan/plan.ts";
import { factFindings } from "./doctor/facts.ts";
import { distinctFindings, modelFindings } from "./findings.ts";

/** What a person should know before a plan is carried out: warnings of the model, of the output, and of the plan. */
export async function conversionWarnings(plan: Plan, model: Model): Promise<Finding[]> {
  const ofModel = await modelFindings(model, { vocabulary: true, madeFromIt: plan });
  return warningsOf(distinctFindings([...ofModel, ...outputFindings(plan), ...plan.findings]));
}

/** Of what a plan would make: the metadata of the first GGUF file against all tensors. */
export function outputFindings(plan: Plan): Finding[] {
  const file = plan.files.find(({ kind }) => kind === "gguf");
  return file?.kind === "gguf" ? factFindings(metadataFromJson(file.metadata), plan.tensors) : [];
}
