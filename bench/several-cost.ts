/** What several targets in one run cost: the figures in `several-targets.json`, and the section of docs/several-targets.md that is made from them. */
import { table } from "./page/cells.ts";
import { machinePart } from "./page/machine-line.ts";
import type { Run, Spread } from "./results.ts";

/** The figures of one run of `several-targets.ts`. */
export interface SeveralCost extends Pick<Run, "date" | "machine"> {
  /** Of the model, in F16. */
  readonly byteLength: number;
  readonly rounds: number;
  /** Processor time of a program that reads and decodes the model, and does nothing else. */
  readonly reading: Spread;
  readonly conversions: readonly {
    readonly targets: readonly string[];
    /** Processor time of one run for each target, added up. */
    readonly apart: Spread;
    /** Of one run for all targets. */
    readonly together: Spread;
    /** The files were the same, bit for bit. */
    readonly same: boolean;
  }[];
}

const seconds = ({ median, least }: Spread): string => `${median.toFixed(2)} s (${least.toFixed(2)} s)`;

const difference = (a: Spread, b: Spread): Spread => ({
  median: a.median - b.median,
  least: a.least - b.least,
});

export function severalSection(cost: SeveralCost): string {
  const { conversions, reading, byteLength, rounds } = cost;
  const rows = conversions.map(({ targets, apart, together, same }) => {
    const fewer = targets.length - 1;
    const saved = { median: reading.median * fewer, least: reading.least * fewer };
    return [
      targets.map((target) => `\`${target}\``).join(", "),
      seconds(apart),
      seconds(together),
      seconds(difference(apart, together)),
      seconds(saved),
      same ? "yes" : "no",
    ];
  });
  return `## Cost

A made-up llama of ${(byteLength / 1e6).toFixed(0)} MB in F16: \`requant convert --no-verify --jobs 1\` for each target, and for all of them at once, each in a process of its own, in turns, ${rounds} rounds. Processor time of all threads, the start of Node included: median, and in parentheses the best round. "Reading saved" is what a program takes that only reads and decodes the model, times the runs that are left out. ${machinePart(cost)}

${table(["targets", "a run for each", "one run", "saved", "reading saved", "same bytes"], rows)}

Codes of K-quants take most of the time, and no run is spared them. What is spared: reading, which also counts for a model on a network, decoding, and the start of the program.

\`node --conditions=@requant/source bench/several-targets.ts FOLDER [GIGABYTES]\` measures this section; the figures are in \`bench/several-targets.json\`.
`;
}

/** The page with its last section made anew. */
export function withSeveralCost(page: string, cost: SeveralCost): string {
  const start = page.indexOf("\n## Cost\n");
  return `${start < 0 ? page : page.slice(0, start)}\n${severalSection(cost)}`;
}
