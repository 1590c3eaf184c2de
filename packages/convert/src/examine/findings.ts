/** What a command says beside its result: the model can be read, and something about it is not as it should be. */
import type { Finding } from "@requant/core";
import type { VerifyReport } from "../compare/verify.ts";
import { finding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import type { Plan } from "../plan/plan.ts";
import type { PlanReport } from "../plan/report.ts";
import type { RunOptions } from "../run/run-options.ts";
import { factFindings, headerFindings, nameFindings } from "./doctor/facts.ts";
import { tokenizerJsonFindings } from "./doctor/tokenizer-json.ts";
import { MERGES } from "./doctor/vocabulary.ts";

/**
 * Of an open model. `vocabulary`: decode the tokenizer and read the templates as well, which headers alone do not need. `madeFromIt`: a
 * plan whose own findings are asked for too; merges that it takes over from a tokenizer.json are then checked there only.
 */
export async function modelFindings(
  model: Model,
  options: { vocabulary?: boolean; madeFromIt?: Plan } = {},
): Promise<Finding[]> {
  const { gguf, hf, tensors, findings } = model;
  const check = options.vocabulary === true ? factFindings : headerFindings;
  const readsTokenizer = options.vocabulary === true && hf?.config !== undefined;
  return [
    ...findings,
    ...nameFindings(tensors),
    ...(gguf === undefined ? [] : check(gguf.metadata, tensors)),
    ...(readsTokenizer
      ? tokenizerJsonFindings(await hf.sideFiles(), { merges: !plansMerges(options.madeFromIt) })
      : []),
  ];
}

function plansMerges(plan: Plan | undefined): boolean {
  return (
    plan?.files.some((file) => file.kind === "gguf" && file.metadata.some(([key]) => key === MERGES)) === true
  );
}

/** Of values that a comparison has seen. */
export function verifyFindings({ tensors }: VerifyReport): Finding[] {
  return tensors.flatMap(({ name, finite }) =>
    finite ? [] : [finding("nan-weights", "Some values are NaN or infinite.", { tensor: name })],
  );
}

/** Of what a run has stored, with the leave that it was given. */
export function runFindings(
  { tensors }: PlanReport,
  { allowNonFinite }: Pick<RunOptions, "allowNonFinite"> = {},
): Finding[] {
  const findings: Finding[] = [];
  if (allowNonFinite === true && tensors.every(({ nonFinite }) => nonFinite === undefined)) {
    findings.push(
      finding("not-used", "`allowNonFinite` changed nothing: no weight was found to be NaN or infinite."),
    );
  }
  for (const { name, nonFinite } of tensors) {
    if (nonFinite === undefined) continue;
    const { inSource, byStoring, firstIndex, firstPlace, firstValue, firstStored } = nonFinite;
    const counts = [
      ...(inSource > 0 ? [`${inSource} not finite in the source`] : []),
      ...(byStoring > 0 ? [`${byStoring} no longer finite once stored`] : []),
    ].join(", ");
    findings.push(
      finding(
        byStoring > 0 ? "became-non-finite" : firstValue === "NaN" ? "nan-weights" : "infinite-weights",
        `Weights of ${name} are NaN or infinite: ${counts}. The first is weight ${firstIndex} [${firstPlace.join(", ")}]: ${firstValue}, stored as ${firstStored}.`,
        { tensor: name, index: firstIndex },
      ),
    );
  }
  return findings;
}

/** The same finding of two models, or of two looks at one, once. */
export function distinctFindings(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
}
