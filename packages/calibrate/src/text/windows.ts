import { UsageError } from "@requant/core";

/** How a text is cut into windows. */
export interface WindowOptions {
  /** Tokens of a window. */
  readonly window: number;
  /**
   * How many windows are taken, spread evenly over the text: its windows are divided into so many runs of equal length, and each
   * run gives one. Default: all windows.
   */
  readonly samples?: number | undefined;
  /** With `samples`: chooses one window of each run at random, always the same for a seed. Default: the first of each run. */
  readonly seed?: number | undefined;
  /** Takes the first so many windows, as llama-imatrix and llama-perplexity do with `chunks`; not with `samples`. */
  readonly chunks?: number | undefined;
  /** The BOS token, where the vocabulary begins a text with it (`bosOf`). */
  readonly bos?: number | undefined;
}

/** The text must have so many windows: what llama.cpp's tools ask for. */
const LEAST_WINDOWS = 2;

/**
 * The windows of a text: its tokens, after a BOS where the vocabulary has one, are cut into windows without overlap from the start,
 * and a rest is left out. The BOS takes the place of each window's first token. All as llama-imatrix and llama-perplexity do it
 * (llama.cpp, tools/imatrix/imatrix.cpp and tools/perplexity/perplexity.cpp).
 * @throws UsageError where the text is too short
 */
export function textWindows(tokens: Int32Array, options: WindowOptions): Int32Array[] {
  const { window, samples, chunks, bos } = options;
  for (const [name, value] of Object.entries({ window, samples, chunks })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new UsageError(`\`${name}\` is ${value}; a whole number from 1 on is needed.`);
  }
  if (samples !== undefined && chunks !== undefined) {
    throw new UsageError("`samples` and `chunks` both say how many windows are taken.", {
      hint: "Give one of them.",
    });
  }
  const before = bos === undefined ? 0 : 1;
  const length = tokens.length + before;
  const count = Math.floor(length / window);
  if (count < LEAST_WINDOWS) {
    throw new UsageError(
      `The text has ${length} tokens, and at least ${LEAST_WINDOWS * window} are needed: ${LEAST_WINDOWS} windows of ${window}.`,
      { hint: "Use a longer text, or shorter windows.", reason: "short-text" },
    );
  }
  const wanted = samples ?? chunks ?? count;
  if (wanted > count) {
    throw new UsageError(`The text has ${count} windows of ${window} tokens; ${wanted} were asked for.`, {
      hint: "Use a longer text, shorter windows, or ask for fewer of them.",
      reason: "short-text",
    });
  }
  const random = options.seed === undefined ? () => 0 : randomNumbers(options.seed);
  return Array.from({ length: wanted }, (_, run) => {
    const first = Math.floor((run * count) / wanted);
    const end = Math.floor(((run + 1) * count) / wanted);
    const number = samples === undefined ? run : first + Math.floor(random() * (end - first));
    const start = number * window - before;
    const own = Int32Array.from({ length: window }, (_, i) => tokens[start + i] ?? 0);
    if (bos !== undefined) own[0] = bos;
    return own;
  });
}

/** Numbers in [0, 1), the same for a seed on every machine (splitmix32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
