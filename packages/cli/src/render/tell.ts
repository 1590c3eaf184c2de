import type { Context } from "../context.ts";

/** A line for people, of what is no result: on stderr, and not under `--quiet` or `--json`. */
export function tell(text: string, { streams, options }: Pick<Context, "streams" | "options">): void {
  if (options.quiet !== true && options.json !== true) streams.err.write(`requant: ${text}\n`);
}
