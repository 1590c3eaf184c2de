/** What a plan is made from: output weights, and the tensors of the source. */
import type { WeightInput } from "@requant/models";
import type { PlanSourceTensor } from "./plan.ts";
import type { GuideNames } from "./way.ts";

/** An output weight, and where its rows come from. */
export interface OutputWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

/** An output weight whose type is chosen. */
export interface TypedWeight extends OutputWeight {
  readonly type: string;
  readonly guides?: GuideNames | undefined;
}

/** The tensors of a source by name. */
export type SourceTensors = ReadonlyMap<string, PlanSourceTensor>;
