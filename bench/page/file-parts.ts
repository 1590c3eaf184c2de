/** Sections about edits, comparisons, the page in a browser, and growth. */
import { exponentOf, type Point } from "../fit.ts";
import type { Measurement, Results, Spread } from "../results.ts";
import {
  contenderRows,
  digits,
  firstOf,
  megabytes,
  rate,
  ratio,
  sameness,
  type Tasks,
  table,
  tasksOf,
  times,
  useCells,
  useHeads,
} from "./cells.ts";

export function editPart(results: Results): string {
  const tasks = tasksOf(results, "edits");
  const rows = contenderRows(tasks, (measurement, measured) => [
    ...useCells(measurement),
    measurement.contender.startsWith("requant")
      ? ratio(measured.get("copy")?.wallSeconds, measurement.wallSeconds)
      : "",
    sameness([measurement]),
  ]);
  return `## Edits that keep every weight

A made-up llama of ${((firstOf(tasks)?.bytes ?? 0) / 1e9).toFixed(2)} GB in F16: \`requant split\` into five files, \`requant merge\` of them, and \`requant metadata set\` in place. "copy" is \`copyFileSync\`, for which the system may share the bytes or copy them in the kernel; "read and write" moves the same bytes through a program. With \`--no-verify\` requant does not read its output again. requant brings its output to the disk before it gives it its name; a copy does not. Before each run as many bytes are written to another file and removed: this virtual machine gives unused memory back to its host, and gets it again slowly.

${table(["", ...useHeads, "wall ÷ copy", "same tensors"], rows)}`;
}

export function verifyPart(results: Results): string {
  const tasks = tasksOf(results, "verify");
  const rows = contenderRows(tasks, (measurement) => [...useCells(measurement), rate(measurement)]);
  return `## Comparing and hashing values

Made-up llamas with the same ${((firstOf(tasks)?.bytes ?? 0) / 4e6).toFixed(0)} million weights: \`requant verify\` of two, and \`requant hash --values\` of one. GB/s are those of the f32 values of one model, by processor time of the whole process; \`verify\` decodes as many of the other model. "read" only reads the files; "SHA-256" hashes as many bytes as the values have, with Node's crypto.

${table(["", ...useHeads, "GB/s of f32 a core"], rows)}`;
}

export function browserPart(results: Results): string {
  const tasks = tasksOf(results, "browser");
  const rows = contenderRows(tasks, ({ contender, wallSeconds, peakBytes, same }, measured) => [
    times(wallSeconds),
    peakBytes ? megabytes(peakBytes.median) : "",
    contender === "Chromium" ? ratio(wallSeconds, measured.get("Node")?.wallSeconds) : "",
    same === undefined ? "" : same ? "yes" : "**no**",
  ]);
  return `## In a browser

A made-up llama of ${((firstOf(tasks)?.bytes ?? 0) / 1e9).toFixed(2)} GB in F16, converted by the command, and by the page in Chromium from the click until the output is whole. The page then computes the SHA-256 of the output, which has a row of its own. The profile of the browser is on the disk, as people have one. The memory is that of the tab.

${table(["", "wall, median (least)", "peak MB", "speed in Chromium ÷ in Node", "same bytes"], rows)}`;
}

/** What grows: the word before the colon of a task. */
export function growing(tasks: Tasks): Map<string, Measurement[]> {
  const series = new Map<string, Measurement[]>();
  for (const [task, measured] of tasks) {
    const [name = ""] = task.split(":");
    const known = series.get(name) ?? [];
    series.set(name, [...known, ...measured.values()]);
  }
  return series;
}

/** By medians, and by best runs. */
export function exponents(measurements: readonly Measurement[]): Spread {
  const points = (pick: (spread: Spread) => number): Point[] =>
    measurements.flatMap(({ size, cpuSeconds }) =>
      size === undefined || cpuSeconds === undefined ? [] : [{ size, value: pick(cpuSeconds) }],
    );
  return {
    median: exponentOf(points(({ median }) => median)),
    least: exponentOf(points(({ least }) => least)),
  };
}

export function growthPart(results: Results): string {
  const series = [...growing(tasksOf(results, "growth"))];
  const rows = series.flatMap(([name, measurements]) => {
    const { median, least } = exponents(measurements);
    return measurements.map((measurement, i) => [
      measurement.task,
      ...useCells(measurement),
      i === measurements.length - 1 ? `${digits(median)} (${digits(least)}) in ${name}` : "",
    ]);
  });
  return `## Growth

\`requant convert --to gguf:q8_0\` of made-up llamas in F16: with more bytes; with more tensors, of 64 × 64 to 128 × 64 weights; and with the same tensors in more files. The exponent is the slope of a line through the logarithms of processor time, by least squares, with nothing subtracted: 1 where twice as much takes twice as long. By medians, and in parentheses by best runs.

${table(["", ...useHeads, "exponent"], rows)}`;
}
