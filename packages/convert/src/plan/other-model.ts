/** Statistics know which model they were made of. */
import { type Finding, isCodecError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { finding } from "../model/findings/finding.ts";
import { type GgufView, ggufView } from "../model/folding/gguf-view.ts";
import type { Model } from "../model/model.ts";
import { identityDifferences, identityName, modelIdentity } from "../model/model-identity.ts";
import type { PlanOptions } from "./plan-options.ts";

/** A warning where statistics were made of another model. They are used all the same: their sizes fit. */
export async function otherModelFindings(
  model: Model,
  { statistics }: Pick<PlanOptions, "statistics">,
): Promise<Finding[]> {
  if (statistics?.origin === undefined) return [];
  const view = await viewIfAny(model);
  if (view === undefined) return [];
  const own = await modelIdentity({
    metadata: view.metadata,
    shapes: new Map(view.plans.map(({ name, shape }) => [name, shape])),
    readRows: (name, start, end, out) => view.open(name).readRows(start, end, out),
  });
  const differences = identityDifferences(statistics.origin, own);
  if (differences.length === 0) return [];
  const name = identityName(statistics.origin);
  const of = name === undefined ? "" : ` named ${quoted(name)}`;
  return [
    finding(
      "other-model",
      `The calibration statistics were made of another model${of}: ${differences.join("; ")}.`,
    ),
  ];
}

/** Undefined for a family without names in GGUF, whose statistics are refused by their names. */
async function viewIfAny(model: Model): Promise<GgufView | undefined> {
  try {
    return await ggufView(model);
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}
