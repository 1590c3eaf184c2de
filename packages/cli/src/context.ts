import type { Look } from "./render/look.ts";
import type { CommonOptions, Streams } from "./streams.ts";

/** What every command gets besides its own arguments. */
export interface Context {
  readonly streams: Streams;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** How results on stdout look. */
  readonly look: Look;
  readonly options: CommonOptions;
}

/** A command's work: its positional arguments, its options, and what all commands get. Resolves to the exit status. */
export type Handler = (
  args: readonly string[],
  options: Record<string, unknown>,
  context: Context,
) => Promise<number>;
