/** What a command says beside its result: the model can be read, and something about it is not as it should be. */
import { factFindings, headerFindings, nameFindings } from "./doctor/facts.ts";
import type { Finding } from "./doctor/finding.ts";
import { tokenizerJsonFindings } from "./doctor/tokenizer-json.ts";
import { MERGES } from "./doctor/vocabulary.ts";
import type { Model, ModelWarning } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { VerifyReport } from "./verify.ts";

export function asWarnings(findings: readonly Finding[]): ModelWarning[] {
  return findings.flatMap(({ code, severity, message, tensor }) =>
    severity === "note" ? [] : [{ code, message, ...(tensor === undefined ? {} : { tensor }) }],
  );
}

/**
 * Of an open model. `vocabulary`: decode the tokenizer and read the templates as well, which headers alone do not need. `madeFromIt`: a
 * plan whose own warnings are asked for too; merges that it takes over from a tokenizer.json are then checked there only.
 */
export async function modelWarnings(
  model: Model,
  options: { vocabulary?: boolean; madeFromIt?: Plan } = {},
): Promise<ModelWarning[]> {
  const { gguf, hf, tensors, warnings } = model;
  const check = options.vocabulary === true ? factFindings : headerFindings;
  const readsTokenizer = options.vocabulary === true && hf?.config !== undefined;
  return [
    ...warnings,
    ...asWarnings(nameFindings(tensors)),
    ...(gguf === undefined ? [] : asWarnings(check(gguf.metadata, tensors))),
    ...(readsTokenizer
      ? asWarnings(tokenizerJsonFindings(await hf.sideFiles(), { merges: !plansMerges(options.madeFromIt) }))
      : []),
  ];
}

function plansMerges(plan: Plan | undefined): boolean {
  return (
    plan?.files.some((file) => file.kind === "gguf" && file.metadata.some(([key]) => key === MERGES)) === true
  );
}

/** Of values that a comparison has seen. */
export function verifyWarnings({ tensors }: VerifyReport): ModelWarning[] {
  return tensors.flatMap(({ name, finite }) =>
    finite ? [] : [{ code: "nan-weights", message: "Some values are NaN or infinite.", tensor: name }],
  );
}
