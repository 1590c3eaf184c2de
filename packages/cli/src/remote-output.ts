/** Outputs that are no path of this machine. */
import type { ConversionReport, Model, Plan, RunOptions } from "@requant/convert";
import type { Context } from "./context.ts";

/** A place on a server that a plan is carried out to. */
export interface RemoteOutput {
  /** Where the files are, as the summary shows it: with a slash at the end, where it is not empty. */
  readonly folder: string;
  run(plan: Plan, model: Model, options: RunOptions, context: Context): Promise<ConversionReport>;
}

/** What an argument names. */
export interface RemotePlace {
  /** Of the one file; undefined where it is named after the model. */
  readonly name: string | undefined;
  readonly remote: RemoteOutput;
}
