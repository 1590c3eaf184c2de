/** docs/benchmarks.md, made from the figures of runs. */
import { convertPart, hfPart, importancePart, packedPart, roundingPart } from "./page/conversion-parts.ts";
import { browserPart, editPart, growthPart, verifyPart } from "./page/file-parts.ts";
import { goalPart } from "./page/goals.ts";
import { formatPart, gridPart, kernelPart, largePart, limitsPart, linearPart } from "./page/kernel-parts.ts";
import { machinePart } from "./page/machine-line.ts";
import { headerPart, startUpPart } from "./page/start-parts.ts";
import type { PartName, Results, Run } from "./results.ts";

type Renderer = (results: Results, peers: Run) => string;

/** In the order of the page. */
const renderers: Readonly<Record<PartName, Renderer>> = {
  convert: convertPart,
  importance: importancePart,
  hf: hfPart,
  packed: packedPart,
  rounding: roundingPart,
  edits: editPart,
  verify: verifyPart,
  browser: browserPart,
  growth: growthPart,
  kernels: kernelPart,
  large: largePart,
  linear: linearPart,
  formats: formatPart,
  "hidden-grids": gridPart,
  header: headerPart,
  "start-up": startUpPart,
  limits: limitsPart,
};

/** The run that measured a part. */
function runOf({ runs }: Results, part: string): Run | undefined {
  return runs.find(({ measurements }) => measurements.some((measurement) => measurement.part === part));
}

/** The page: all measurements, with ratios where both sides were measured. */
export function benchmarkPage(results: Results, peers: Run): string {
  const [latest] = results.runs;
  const sections = Object.entries(renderers).flatMap(([part, render]) => {
    const run = runOf(results, part);
    if (run === undefined) return [];
    const section = render(results, peers);
    return [run === latest ? section : `${section}\n\n${machinePart(run)}`];
  });
  const skipped = results.runs
    .flatMap((run) => run.skipped ?? [])
    .map(({ part, reason }) => `The part "${part}" was not measured: ${reason}.`);
  const others = results.runs.length > 1 ? "A section that other runs measured says so at its end." : "";
  const intro = `Made by \`pnpm bench\`, which runs on any machine after \`pnpm install\` alone and overwrites this page; the figures behind it are in \`bench/results.json\`. Everything that is compared ran in the same run, in turns. \`pnpm bench PART …\` measures some parts anew and keeps the others.`;
  const machine = latest === undefined ? "" : machinePart(latest);
  return `${["# Benchmarks", intro, [machine, others, ...skipped].filter((text) => text !== "").join(" "), goalPart(results, peers), ...sections].join("\n\n")}\n`;
}
