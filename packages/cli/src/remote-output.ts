/** Outputs that are no path of this machine. */
import type { ConversionReport, Model, OutputStore, Plan, RunOptions } from "@requant/convert";
import type { Context } from "./context.ts";

/** A place on a server that a plan is carried out to. */
export interface RemoteOutput {
  /** Where the files are, as the summary shows it: with a slash at the end, where it is not empty. */
  readonly folder: string;
  run(plan: Plan, model: Model, options: RunOptions, context: Context): Promise<ConversionReport>;
  /**
   * The place as one that machines send the parts of a saved plan to; absent where they cannot.
   * @throws UsageError where keys are missing
   */
  partsStore?(signal: AbortSignal): OutputStore;
  /** What would be done beside the conversion, for people; nothing is written. */
  preview?(plan: Plan, model: Model, context: Context): Promise<string>;
}

/** Options of outputs on a server. */
export interface RemoteOptions {
  /** Whether a repository that is made for the output is private. */
  readonly isPrivate?: boolean | undefined;
  /** The folder where a file lies until it is sent; default: in the user's cache. */
  readonly stage?: string | undefined;
  /** Nothing is written, so what only writing needs may be missing. */
  readonly isOnlyShown?: boolean | undefined;
}

/** What an output argument says, and what was given with it. */
export interface AskedPlace {
  readonly argument: string;
  /** Whether the target is one file. */
  readonly singleFile: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly options: RemoteOptions;
}

/** What an argument names. */
export interface RemotePlace {
  /** Of the one file; undefined where it is named after the model. */
  readonly name: string | undefined;
  readonly remote: RemoteOutput;
}
