/** How wide results may be, and whether they are coloured: what a person looks at is laid out for the terminal. */
import { type Colors, colorsFor } from "../streams.ts";

/** What tables and reports are laid out for. */
export interface Look {
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number;
  readonly colors: Colors;
}

const DEFAULT_WIDTH = 80;
/** Narrower ones are taken for this: a word must fit. */
const LEAST_WIDTH = 40;

/** For a stream: the width of its terminal, or what COLUMNS says, or 80. */
export function lookOf(
  stream: { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined } = process.stdout,
  environment: NodeJS.ProcessEnv = process.env,
): Look {
  const asked = Number(environment["COLUMNS"]);
  const width =
    (stream.isTTY === true ? stream.columns : undefined) ?? (asked > 0 ? Math.floor(asked) : undefined);
  return {
    width: Math.max(LEAST_WIDTH, width ?? DEFAULT_WIDTH),
    colors: colorsFor(stream, environment),
  };
}
