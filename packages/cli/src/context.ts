import type { Colors, CommonOptions, Streams } from "./streams.ts";

/** What every command gets besides its own arguments. */
export interface Context {
  readonly streams: Streams;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** For stdout. */
  readonly colors: Colors;
  readonly options: CommonOptions;
}
