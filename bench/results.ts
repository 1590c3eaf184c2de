/** The results of a run: `results.json`, from which the page is made. */

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
  "packed",
] as const;
export type PartName = (typeof partNames)[number];

/** The parts that have a file of results and a section of the page to themselves. */
export const formatParts: readonly PartName[] = ["formats", "hidden-grids"];

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

export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly measurements: readonly Measurement[];
}

export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  return { least: sorted[0] ?? Number.NaN, median: sorted[sorted.length >> 1] ?? Number.NaN };
}
