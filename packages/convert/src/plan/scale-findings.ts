/** Scales per input channel, which some formats' tools search before they quantize: which plans want them. */
import type { Finding } from "@requant/core";
import type { WeightTarget } from "@requant/core/format";
import { plannedSources } from "@requant/models";
import { weightFormats } from "../formats.ts";
import { finding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import type { Plan, PlanTensor } from "./plan.ts";
import { guideNames } from "./way.ts";

/** The search of the target's format. Undefined where it has none, and for a plan that keeps codes of weights, or solves none. */
export function scaleSearchOf({
  target,
  tensors,
}: Pick<Plan, "target" | "tensors">): WeightTarget["inputScales"] {
  const format = weightFormats.find(({ name }) => name === target.format)?.target;
  const packed = tensors.filter(({ linear }) => linear !== undefined);
  // to multiply a weight that keeps its codes would change them
  if (packed.some(({ way }) => way.kind !== "floats")) return undefined;
  const isSolved = packed.some((tensor) => guideNames(tensor).statistics !== undefined);
  return isSolved ? format?.inputScales?.bind(format) : undefined;
}

/** Whether `scaledModel` searches scales for the plan. */
export function wantsScales(plan: Pick<Plan, "target" | "tensors">): boolean {
  return scaleSearchOf(plan) !== undefined;
}

/** What a report says of each weight that an adapter changes. */
const MERGED = "the update of a LoRA adapter was added to it";

/**
 * The plan with what it tells about scales and adapters; tensors that scales are folded into come from what the source stores.
 */
export function withScaleFacts(plan: Plan, model: Model): Plan {
  const { merged, folding } = model;
  const findings = [...(merged?.findings ?? []), ...scaleFindings(plan, model), ...plan.findings];
  const tensors = plan.tensors.map((tensor): PlanTensor => {
    const sources = plannedSources(tensor);
    const encodings = sources.flatMap((source) => folding?.storedAs.get(source) ?? []);
    const isMerged = sources.some((source) => merged?.weights.has(source));
    if (encodings.length === 0 && !isMerged) return tensor;
    return {
      ...tensor,
      ...(encodings.length === 0 ? {} : { from: [...new Set(encodings)].join("+") }),
      fidelity: tensor.fidelity === "copy" ? "exact" : tensor.fidelity,
      ...(isMerged ? { reason: MERGED } : {}),
    };
  });
  return { ...plan, tensors, findings };
}

/** What a plan tells about the scales that are folded into its model, or that none are. */
export function scaleFindings(
  plan: Pick<Plan, "target" | "tensors">,
  { folding }: Model,
): readonly Finding[] {
  if (folding !== undefined) return folding.findings;
  if (scaleSearchOf(plan) === undefined) return [];
  return [
    finding(
      "unscaled",
      "This plan has codes by error feedback, but no scales per input channel: they are searched when the conversion begins.",
    ),
  ];
}
