/** All that the page can ask of the host: one line for each method. The code of a method is loaded when it is first called. */
import type { Control } from "../control.ts";

type Method<I, O> = (input: I, control: Control) => Promise<O>;

function lazy<I, O>(load: () => Promise<Method<I, O>>): Method<I, O> {
  return async (input, control) => (await load())(input, control);
}

export const methods = {
  openSource: lazy(async () => (await import("./open.ts")).openSource),
  closeModel: lazy(async () => (await import("./open.ts")).closeModel),
  targets: lazy(async () => (await import("./targets.ts")).targets),
  targetParts: lazy(async () => (await import("./targets.ts")).targetParts),
  memory: lazy(async () => (await import("./memory.ts")).memory),
  plan: lazy(async () => (await import("./plan.ts")).plan),
  convert: lazy(async () => (await import("./convert.ts")).convert),
  hashOutput: lazy(async () => (await import("./hash-output.ts")).hashOutput),
  metadata: lazy(async () => (await import("./metadata.ts")).metadata),
  planEdit: lazy(async () => (await import("./edit.ts")).planEdit),
  writeEdit: lazy(async () => (await import("./edit.ts")).writeEdit),
  tokensOfText: lazy(async () => (await import("./tokens.ts")).tokensOfText),
  findTokens: lazy(async () => (await import("./tokens.ts")).findTokens),
  compare: lazy(async () => (await import("./compare.ts")).compare),
  compareMetadata: lazy(async () => (await import("./compare.ts")).compareMetadata),
  doctor: lazy(async () => (await import("./doctor.ts")).doctor),
  tensorFigures: lazy(async () => (await import("./tensor-figures.ts")).tensorFigures),
  tensorRows: lazy(async () => (await import("./tensor-rows.ts")).tensorRows),
};

export type HostMethods = typeof methods;
