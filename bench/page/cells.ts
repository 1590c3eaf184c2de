/** Cells of the page's tables. */
import type { Measurement, PartName, Results, Spread } from "../results.ts";

/** One measurement as a line of text. */
export function lineOf(measurement: Measurement): string {
  const { part, task, contender, wallSeconds, cpuSeconds, peakBytes, bytes, same } = measurement;
  const figures = [
    cpuSeconds && `cpu ${time(cpuSeconds.median)} (least ${time(cpuSeconds.least)})`,
    wallSeconds && `wall ${time(wallSeconds.median)}`,
    bytes !== undefined && cpuSeconds !== undefined && `${gigabytes(bytes / cpuSeconds.median)} GB/s`,
    peakBytes && `peak ${megabytes(peakBytes.median)} MB`,
    same === undefined ? undefined : same ? "same bytes" : "OTHER BYTES",
  ];
  return `${part}: ${task}, ${contender}: ${figures.filter((figure) => figure).join(", ")}`;
}

export function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  if (seconds >= 1e-3) return `${(1e3 * seconds).toPrecision(3)} ms`;
  return `${(1e6 * seconds).toPrecision(3)} µs`;
}

export function gigabytes(bytesPerSecond: number): string {
  const value = bytesPerSecond / 1e9;
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(2);
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? "").length), Math.max(title.length, 3)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** By task, then by contender, in the order in which they were taken. */
export type Tasks = ReadonlyMap<string, ReadonlyMap<string, Measurement>>;

export function tasksOf(results: Results, part: PartName): Tasks {
  const tasks = new Map<string, Map<string, Measurement>>();
  for (const { measurements } of results.runs) {
    for (const measurement of measurements) {
      if (measurement.part !== part) continue;
      const task = tasks.get(measurement.task) ?? new Map<string, Measurement>();
      tasks.set(measurement.task, task.set(measurement.contender, measurement));
    }
  }
  return tasks;
}

/** The first measurement of a part. */
export function firstOf(tasks: Tasks): Measurement | undefined {
  for (const measured of tasks.values()) for (const measurement of measured.values()) return measurement;
  return undefined;
}

/** How many times less time `ours` took: by medians, and by best runs. Empty where one side was not measured. */
export function ratio(ours: Spread | undefined, theirs: Spread | undefined): string {
  if (ours === undefined || theirs === undefined) return "";
  return `${digits(theirs.median / ours.median)} (${digits(theirs.least / ours.least)})`;
}

/** GB/s by processor time: median, best. */
export function rate(measurement: Measurement | undefined): string {
  const { bytes, cpuSeconds } = measurement ?? {};
  if (bytes === undefined || cpuSeconds === undefined) return "";
  return `${gigabytes(bytes / cpuSeconds.median)} (${gigabytes(bytes / cpuSeconds.least)})`;
}

export function sameness(measured: Iterable<Measurement>): string {
  const judged = [...measured].filter(({ same }) => same !== undefined);
  return judged.length === 0 ? "" : judged.every(({ same }) => same) ? "yes" : "**no**";
}

/** Median, and in parentheses the least. */
export function times(seconds: Spread | undefined): string {
  return seconds === undefined ? "" : `${time(seconds.median)} (${time(seconds.least)})`;
}

/** The heads of `useCells`. */
export const useHeads: readonly string[] = [
  "processor time, median (least)",
  "wall, median (least)",
  "peak MB",
];

/** Time and memory of a process. */
export function useCells({ cpuSeconds, wallSeconds, peakBytes }: Measurement): string[] {
  return [times(cpuSeconds), times(wallSeconds), peakBytes ? megabytes(peakBytes.median) : ""];
}

/** A row for each contender of each task. */
export function contenderRows(
  tasks: Tasks,
  cells: (measurement: Measurement, measured: ReadonlyMap<string, Measurement>) => readonly string[],
): string[][] {
  return [...tasks].flatMap(([task, measured]) =>
    [...measured].map(([contender, measurement]) => [
      `${task}: ${contender}`,
      ...cells(measurement, measured),
    ]),
  );
}
