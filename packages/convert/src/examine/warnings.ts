/** What a command says beside its result: the model can be read, and something about it is not as it should be. */

import type { VerifyReport } from "../compare/verify.ts";
import type { Model } from "../model/model.ts";
import type { ModelWarning } from "../model/model-warning.ts";
import { factFindings, headerFindings, nameFindings } from "./doctor/facts.ts";
import type { Finding } from "./doctor/finding.ts";
import { tokenizerJsonFindings } from "./doctor/tokenizer-json.ts";

export function asWarnings(findings: readonly Finding[]): ModelWarning[] {
  return findings.flatMap(({ code, severity, message, tensor }) =>
    severity === "note" ? [] : [{ code, message, ...(tensor === undefined ? {} : { tensor }) }],
  );
}

/** Of an open model. `vocabulary`: decode the tokenizer and read the templates as well, which headers alone do not need. */
export async function modelWarnings(
  model: Model,
  options: { vocabulary?: boolean } = {},
): Promise<ModelWarning[]> {
  const { gguf, hf, tensors, warnings } = model;
  const check = options.vocabulary === true ? factFindings : headerFindings;
  const readsTokenizer = options.vocabulary === true && hf?.config !== undefined;
  return [
    ...warnings,
    ...asWarnings(nameFindings(tensors)),
    ...(gguf === undefined ? [] : asWarnings(check(gguf.metadata, tensors))),
    ...(readsTokenizer ? asWarnings(tokenizerJsonFindings(await hf.sideFiles())) : []),
  ];
}

/** Of values that a comparison has seen. */
export function verifyWarnings({ tensors }: VerifyReport): ModelWarning[] {
  return tensors.flatMap(({ name, finite }) =>
    finite ? [] : [{ code: "nan-weights", message: "Some values are NaN or infinite.", tensor: name }],
  );
}
