/** Writes docs/fuzzing.md: the long runs, from the lines that `pnpm fuzz --summary docs/fuzzing.jsonl` adds. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const lineSchema = z.object({
  date: z.iso.datetime(),
  node: z.string(),
  target: z.string(),
  seed: z.number(),
  executions: z.number(),
  seconds: z.number(),
  covered: z.number(),
  finds: z.array(z.string()),
});
export type FuzzingLine = z.infer<typeof lineSchema>;

export function fuzzingLines(text: string): FuzzingLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => lineSchema.parse(JSON.parse(line)));
}

const number = (value: number): string => value.toLocaleString("en-US");
const sum = (lines: readonly FuzzingLine[], of: (line: FuzzingLine) => number): number =>
  lines.reduce((total, line) => total + of(line), 0);

function grouped(
  lines: readonly FuzzingLine[],
  keyOf: (line: FuzzingLine) => string,
): Map<string, FuzzingLine[]> {
  const groups = new Map<string, FuzzingLine[]>();
  for (const line of lines) groups.set(keyOf(line), [...(groups.get(keyOf(line)) ?? []), line]);
  return groups;
}

export function fuzzingDocument(lines: readonly FuzzingLine[]): string {
  const runs = grouped(lines, ({ date, seed }) => `${date.slice(0, 10)} seed ${seed}`);
  const targets = grouped(lines, ({ target }) => target);
  const finds = (some: readonly FuzzingLine[]): number => sum(some, ({ finds }) => finds.length);
  return [
    "# Long fuzz runs",
    "",
    "Written by `pnpm fuzzing-page` from [fuzzing.jsonl](fuzzing.jsonl), where each long run of a target is a line. How the fuzzer works: [fuzz/README.md](../fuzz/README.md). A find is anything but a clean refusal: another error, a second of work, much memory, a broken property. Each one that was ever made is a file in `test/regression`.",
    "",
    `**${number(sum(lines, ({ executions }) => executions))} executions** over ${targets.size} targets, ${number(finds(lines))} finds.`,
    "",
    "| run | Node | targets | executions | seconds | finds |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
    ...[...runs].map(
      ([name, some]) =>
        `| ${[name, [...new Set(some.map(({ node }) => node))].join(", "), some.length, number(sum(some, ({ executions }) => executions)), number(sum(some, ({ seconds }) => seconds)), finds(some)].join(" | ")} |`,
    ),
    "",
    "Two processor cores were shared by several such runs and other work, so executions per second say little about speed.",
    "",
    "| target | executions | seconds | characters of our sources reached | finds |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...[...targets].map(
      ([name, some]) =>
        `| ${[name, number(sum(some, ({ executions }) => executions)), number(sum(some, ({ seconds }) => seconds)), number(some.reduce((most, { covered }) => Math.max(most, covered), 0)), finds(some)].join(" | ")} |`,
    ),
    "",
  ].join("\n");
}

const folder = new URL("../docs/", import.meta.url);
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = fuzzingLines(readFileSync(new URL("fuzzing.jsonl", folder), "utf8"));
  writeFileSync(new URL("fuzzing.md", folder), fuzzingDocument(lines));
}
