/** What a target is: a value that says how its words are read and how a plan for it is made. */
import type { Finding } from "@requant/core";
import type { WeightSampling, WordSpec } from "@requant/core/format";
import type { LeftOut } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { PlanFile, PlanSource, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";

/** What a target format makes of a source: tensors and the files that hold them. */
export interface PlannedOutput {
  /** In the order of the files and of the tensors in them. */
  readonly tensors: readonly PlanTensor[];
  readonly files: readonly PlanFile[];
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
}

/** What a plan must know about values, beyond headers and the small parts of linear weights. */
export interface SourceNeeds {
  /** The offsets that occur in the codes of linear weights. */
  readonly offsets?: boolean | undefined;
  /** Which 16-bit float type holds the values of F32 matrices, and of linear weights that no block type holds. */
  readonly narrowest?: boolean | undefined;
  /** The grids that matrices of floats lie on: "asked" where the target profits from them, but not always enough to look. */
  readonly grids?: "always" | "asked" | undefined;
  /** The views of ggml blocks. */
  readonly blocks?: boolean | undefined;
  /** What each choice of the target's layouts would cost in every matrix. */
  readonly sampling?: WeightSampling | undefined;
}

/** Makes a format. */
export interface TargetFormat {
  /** A whole target, for messages: "gguf:q8_0". */
  readonly example: string;
  /** Another word that may stand before the colon, in place of the format's name. */
  readonly shortName?: string | undefined;
  /** Typical spellings of what may stand after the colon, for messages and listings. */
  spellings(): readonly string[];
  /** A few spellings of what may stand after the colon, one for each size or kind. */
  examples(): readonly string[];
  /** How codes are chosen for floats, one sentence, where the format's own tools do more than round to the nearest code. */
  readonly rounding?: string | undefined;
  /** Words that make up these spellings, where they are made of several. */
  readonly words?: readonly WordSpec[];
  /** Settings from what stands after the colon, lowercase. @throws UsageError naming the word that is not understood */
  parse(text: string): Target["settings"];
  /** Options that it takes beside those that every target takes. Others are refused. */
  readonly options?: readonly (keyof PlanOptions)[];
  /** What target and options contradict, before anything is read. @throws UsageError */
  refuseContradictions?(target: Target, options: PlanOptions): void;
  /** True where stored tensors and configuration are moved as they are, whatever they mean. */
  keepsStored?(target: Target): boolean;
  /** Undefined: headers are enough. */
  needs?(target: Target, source: Pick<Model, "gguf" | "format" | "claims">): SourceNeeds;
  /** Pure: no reads. */
  plan(source: PlanSource, target: Target, options: PlanOptions, like: PlanSource | undefined): PlannedOutput;
}

/** A target format under its name. */
export interface Format {
  /** The word before the colon of a target. */
  readonly name: string;
  readonly target?: TargetFormat | undefined;
}
