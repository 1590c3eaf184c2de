/** Sections about what a user waits for before anything is converted. */
import type { Results } from "../results.ts";
import { ratio, table, tasksOf, time, times } from "./cells.ts";

export function headerPart(results: Results): string {
  const tasks = tasksOf(results, "header");
  const bytes = [...tasks.values()][0]?.get("requant")?.bytes ?? 0;
  const rows = [...tasks].flatMap(([task, measured]) =>
    [...measured].map(([contender, { cpuSeconds, wallSeconds }]) => [
      `${contender}, ${task}`,
      wallSeconds ? time(wallSeconds.median) : "",
      times(cpuSeconds),
      contender.startsWith("requant") || contender === "bytes only"
        ? ""
        : ratio(measured.get("requant")?.cpuSeconds, cpuSeconds),
    ]),
  );
  return `## Opening a file with a large vocabulary

A header of ${(bytes / 1e6).toFixed(1)} MB, with 150 000 tokens and 260 000 merges, in the page cache. "first" is the first opening in a new process, without the loading of the library; "again" the five after it. \`requant\` builds no string that nobody asks for; "all values" asks for all of them. "bytes only" reads the bytes and looks at none.

${table(["", "wall, median", "processor time, median (least)", "times requant"], rows)}`;
}

export function startUpPart(results: Results): string {
  const rows = [...tasksOf(results, "start-up").values()].flatMap((measured) =>
    [...measured].map(([contender, { wallSeconds }]) => [
      contender,
      wallSeconds ? time(wallSeconds.median) : "",
      wallSeconds ? time(wallSeconds.least) : "",
    ]),
  );
  return `## Start of the command

From the start of the process to its end.

${table(["", "median", "least"], rows)}`;
}
