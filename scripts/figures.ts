/** Finds the figures of a page: numbers with a unit, shares, factors, counts of things. Code and tables of bits do not count. */

/** A number as people write it: 16, 1.5, 18,867, 2e-5, and ranges of them. */
const number = String.raw`\d[\d,]*(?:\.\d+)?(?:e-?\d+)?`;
const units = String.raw`%|×|ms\b|s\b|seconds?\b|minutes?\b|hours?\b|days?\b|weeks?\b|[kMGT]i?B\b|bytes?\b|tokens?\b|families\b|models?\b|files?\b|tensors?\b|languages?\b|times\b|operations\b|cores?\b|threads?\b|texts?\b|lines?\b|pixels?\b|million\b|billion\b|thousand\b`;
const figure = new RegExp(
  String.raw`(?<![\w.-])(?:${number})(?:-fold\b|[- ]?(?:${units})| (?:billion|million|thousand|tiny|made-up|published|hostile) \w+)`,
  "g",
);

export interface Figure {
  readonly line: number;
  /** As it is written: "240 MB". */
  readonly text: string;
  /** The whole line, for messages. */
  readonly context: string;
}

/** The figures of a page, without those in code. */
export function figuresOf(page: string): Figure[] {
  let inCode = false;
  return page.split("\n").flatMap((context, index) => {
    if (context.startsWith("```")) inCode = !inCode;
    if (inCode) return [];
    const prose = context.replace(/`[^`]*`/g, "`…`").replace(/\]\([^)]*\)/g, "]");
    return [...prose.matchAll(figure)].map(([text]) => ({ line: index + 1, text, context }));
  });
}
