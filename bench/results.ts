/** The results of runs: `results.json`, from which the page is made. */

/** The spread of all samples of one contender. */
export interface Spread {
  readonly least: number;
  readonly median: number;
}

export interface Measurement {
  readonly part: PartName;
  /** What was done: "quantize Q4_K". Contenders of one task were measured in turns. */
  readonly task: string;
  readonly contender: string;
  readonly samples: number;
  readonly wallSeconds?: Spread;
  /** User and system time of all threads. */
  readonly cpuSeconds?: Spread;
  /** Largest resident set of the process. */
  readonly peakBytes?: Spread;
  /** The bytes that one run processed, for rates. */
  readonly bytes?: number;
  /** The bytes that the process wrote, to files and elsewhere; only on Linux. */
  readonly writtenBytes?: number;
  /** What grows from task to task: the bytes, tensors or files of the input. */
  readonly size?: number;
  /** Worker threads of requant, for the bound of its memory. */
  readonly workers?: number;
  /** Whether the output was the same, bit for bit, as that of the task's first contender. */
  readonly same?: boolean;
}

export const partNames = [
  "limits",
  "kernels",
  "large",
  "linear",
  "formats",
  "hidden-grids",
  "header",
  "start-up",
  "convert",
  "importance",
  "hf",
  "packed",
  "rounding",
  "edits",
  "verify",
  "browser",
  "growth",
] as const;
export type PartName = (typeof partNames)[number];

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** Versions of all programs in the comparison that this machine has. */
  readonly versions: Readonly<Record<string, string>>;
  /** The load average at the start and at the end; above `cores`, other programs were running. */
  readonly load: readonly number[];
}

/** A part that could not be measured, and why. */
export interface Skipped {
  readonly part: PartName;
  readonly reason: string;
}

/** What one run of `pnpm bench` found. */
export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly measurements: readonly Measurement[];
  readonly skipped?: readonly Skipped[];
}

/** The last run of each part, the latest run first. */
export interface Results {
  readonly runs: readonly Run[];
}

/** The results with those of a new run: what it measured replaces older figures of the same parts, and no others. */
export function withRun({ runs }: Results, run: Run): Results {
  const before = new Set(runs.flatMap(({ measurements }) => measurements.map(({ part }) => part)));
  // figures that are there are worth more than the reason why this machine has none
  const skipped = (run.skipped ?? []).filter(({ part }) => !before.has(part));
  const renewed = new Set([...run.measurements, ...skipped].map(({ part }) => part));
  const older = runs.map((old) => without(old, renewed));
  return { runs: [trimmed({ ...run, skipped }), ...older].filter(isFull) };
}

function without(run: Run, parts: ReadonlySet<PartName>): Run {
  const isKept = ({ part }: { readonly part: PartName }): boolean => !parts.has(part);
  return trimmed({
    ...run,
    measurements: run.measurements.filter(isKept),
    skipped: run.skipped?.filter(isKept) ?? [],
  });
}

/** A run has a list of skipped parts only where there are some. */
function trimmed({ skipped = [], ...run }: Run): Run {
  return skipped.length > 0 ? { ...run, skipped } : run;
}

function isFull({ measurements, skipped = [] }: Run): boolean {
  return measurements.length + skipped.length > 0;
}

export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  return { least: sorted[0] ?? Number.NaN, median: sorted[sorted.length >> 1] ?? Number.NaN };
}
