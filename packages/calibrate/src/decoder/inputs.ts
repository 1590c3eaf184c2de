/** Which inputs an observer gets, and which weights read each. */
import type { LinearInput } from "../observer.ts";
import { expertsName } from "./experts.ts";
import { forwardName } from "./forward-half.ts";
import { HEAD_NAME, type HeadPlan } from "./head.ts";
import type { ExpertsPlan, ForwardPlan, LayerPlan, LinearPlan } from "./layer-plan.ts";

function input(
  name: string,
  readers: readonly (LinearPlan | undefined)[],
  columns: number,
  experts?: number,
): LinearInput {
  const names = new Set(readers.flatMap((reader) => (reader === undefined ? [] : [reader.name])));
  names.delete(name);
  return { name, sharedBy: [...names], columns, ...(experts === undefined ? {} : { experts }) };
}

function forwardInputs({ gate, up, down }: ForwardPlan, experts?: number): LinearInput[] {
  return [
    input(forwardName({ gate, up, down }), [gate, up], up.columns, experts),
    input(down.name, [down], down.columns, experts),
  ];
}

function expertInputs(plan: ExpertsPlan): LinearInput[] {
  const { router, shared, sharedGate, first, count } = plan;
  return [
    input(expertsName(plan), [shared?.gate, shared?.up, router, sharedGate], router.columns),
    ...(shared === undefined ? [] : [input(shared.down.name, [shared.down], shared.down.columns)]),
    ...forwardInputs(first, count),
  ];
}

export function inputsOf(layers: readonly LayerPlan[], { output }: HeadPlan): LinearInput[] {
  const inputs = layers.flatMap((plan) => [
    input(plan.queries.name, [plan.queries, plan.keys, plan.values], plan.queries.columns),
    input(plan.output.name, [plan.output], plan.output.columns),
    ...(plan.forward === undefined ? [] : forwardInputs(plan.forward)),
    ...(plan.experts === undefined ? [] : expertInputs(plan.experts)),
  ]);
  return [...inputs, input(HEAD_NAME, [output], output.columns)];
}
