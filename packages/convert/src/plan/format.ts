/** What a format is: a value that says how it is recognised, opened and made. */
import type { Found } from "../model/find.ts";
import type { Model, OpenModelOptions } from "../model/model.ts";
import type { LeftOut, PlanFile, PlanSource, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";

/** Reads a format. */
export interface SourceFormat {
  /** True when what was found is this format. Asked in the order of the list, the special before the general. */
  recognises(found: Found): boolean | Promise<boolean>;
  open(found: Found, options: OpenModelOptions): Promise<Model>;
}

export interface PlannedOutput {
  /** In the order of the files and of the tensors in them. */
  readonly tensors: readonly PlanTensor[];
  readonly files: readonly PlanFile[];
  readonly leftOut: readonly LeftOut[];
  readonly notes: readonly string[];
}

/** What a plan must know about values, beyond headers and the small parts of linear weights. */
export interface SourceNeeds {
  /** The offsets that occur in the codes of linear weights. */
  readonly offsets?: boolean | undefined;
  /** Which 16-bit float type holds the values of F32 matrices, and of linear weights that no block type holds. */
  readonly narrowest?: boolean | undefined;
  /** The views of ggml blocks. */
  readonly blocks?: boolean | undefined;
  /** What each EXL2 recipe would cost in every matrix. */
  readonly recipeErrors?: boolean | undefined;
}

/** Makes a format. */
export interface TargetFormat {
  /** A whole target, for messages: "gguf:q8_0". */
  readonly example: string;
  /** The type words that may stand after the colon, for messages and listings. */
  allowed(): readonly string[];
  /** Settings from the words after the colon (lowercase, split at "-"); undefined when they are not understood. */
  parse(tokens: readonly string[]): Target["settings"] | undefined;
  /** Undefined: headers are enough. */
  needs?(target: Target, source: Pick<Model, "gguf" | "format" | "claims">): SourceNeeds;
  /** Pure: no reads. */
  plan(source: PlanSource, target: Target, options: PlanOptions, like: PlanSource | undefined): PlannedOutput;
}

export interface Format {
  /** The word before the colon of a target, and `Model.format`. */
  readonly name: string;
  readonly source?: SourceFormat | undefined;
  readonly target?: TargetFormat | undefined;
}
