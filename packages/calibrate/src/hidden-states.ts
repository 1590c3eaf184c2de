import { UsageError } from "@requant/core";

/**
 * The hidden states of all windows between two layers. A window is `tokens` rows of `columns` numbers. They may be in
 * memory or in a file: a forward pass reads and writes whole windows only.
 */
export interface HiddenStates {
  readonly windows: number;
  /** Tokens of each window. */
  readonly tokens: number;
  readonly columns: number;
  /** Fills `out[tokens, columns]` with the states of one window. */
  read(window: number, out: Float32Array): void | Promise<void>;
  /** Keeps `values[tokens, columns]` as the states of one window. The caller may change the array once the call has ended. */
  write(window: number, values: Float32Array): void | Promise<void>;
}

/** Hidden states in memory, zeros at first. */
export function memoryStates(windows: number, tokens: number, columns: number): HiddenStates {
  const all = Array.from({ length: windows }, () => new Float32Array(tokens * columns));
  const of = (window: number, length: number): Float32Array => {
    const values = all[window];
    if (values !== undefined && values.length === length) return values;
    throw new UsageError(
      `Window ${window} with ${length} numbers is not one of ${windows} windows of ${tokens * columns}.`,
    );
  };
  return {
    windows,
    tokens,
    columns,
    read: (window, out) => out.set(of(window, out.length)),
    write: (window, values) => of(window, values.length).set(values),
  };
}
