/** Tensors of a plan, each with the way that was chosen for it. */
import { elementCount } from "@requant/core";
import { plannedSources } from "@requant/models";
import { encodedByteLength } from "../model/encodings.ts";
import { type ChosenWay, chooseWay, isReadWhole, type OutputLayout, type SeenValues } from "./choose-way.ts";
import type { PlanSourceTensor, PlanTensor } from "./plan.ts";
import type { OutputWeight, SourceTensors, TypedWeight } from "./typed-weight.ts";
import { guideNames } from "./way.ts";

/** The tensors by name. */
export function byName(tensors: readonly PlanSourceTensor[]): SourceTensors {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

/** The stored tensors that a weight is made from. */
export function storedFor(weight: OutputWeight, sources: SourceTensors): PlanSourceTensor[] {
  return plannedSources(weight).flatMap((source) => sources.get(source) ?? []);
}

/** What becomes of one weight that the output stores as one tensor. */
export function planTensor({ type, guides, ...weight }: TypedWeight, sources: SourceTensors): PlanTensor {
  return planTensorAs(weight, { kind: "tensor", encoding: type, guides }, sources);
}

/** The same, where its values may go through another layout first. */
export function planTensorAs(
  weight: OutputWeight,
  layout: Exclude<OutputLayout, { readonly kind: "packed" }>,
  sources: SourceTensors,
): PlanTensor {
  const { name, shape } = weight;
  const { encoding } = layout;
  const stored = storedFor(weight, sources);
  return planned(weight, stored, chooseWay({ ...weight, stored, layout }), {
    to: encoding,
    byteLength: encodedByteLength(encoding, elementCount(shape), name),
  });
}

/** The same tensor with what a look at its values showed, which headers do not tell. */
export function replanned(tensor: PlanTensor, sources: SourceTensors, seen: SeenValues): PlanTensor {
  const { name, shape, inputs, to, byteLength, linear } = tensor;
  const weight = { name, shape, inputs };
  const stored = storedFor(weight, sources);
  const layout = { kind: "tensor", encoding: to, guides: guideNames(tensor) } as const;
  const chosen = chooseWay({ ...weight, stored, layout, seen });
  return planned(weight, stored, chosen, { to, byteLength, linear });
}

/** A tensor of a plan, put together. */
export function planned(
  { name, shape, inputs }: OutputWeight,
  stored: readonly PlanSourceTensor[],
  chosen: ChosenWay,
  output: Pick<PlanTensor, "to" | "byteLength" | "linear">,
): PlanTensor {
  const { way, fidelity, reason, hint } = chosen;
  const { to, byteLength, linear } = output;
  return {
    name,
    shape,
    from: fromText(stored),
    to,
    fidelity,
    byteLength,
    inputs,
    way,
    ...(isReadWhole({ name, shape, inputs, stored }, way) ? { whole: true } : {}),
    ...(linear === undefined ? {} : { linear }),
    ...(reason === undefined ? {} : { reason }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** Several encodings are joined; what no file stores is computed. */
function fromText(stored: readonly PlanSourceTensor[]): string {
  const encodings = [...new Set(stored.map(({ encoding }) => encoding))];
  return encodings.length === 0 ? "computed" : encodings.join("+");
}
