/** `pnpm run cli-reference` writes docs/reference/cli.md from the declarations that `requant --help` prints. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../packages/cli/src/args.ts";
import {
  type CommandDescription,
  describeCommands,
  type OptionDescription,
} from "../packages/cli/src/describe.ts";
import { helpTopics } from "../packages/cli/src/help.ts";
import { main } from "../packages/cli/src/main.ts";

export const path: string = join(resolve(import.meta.dirname, ".."), "docs/reference/cli.md");

/** Options that nearly every command has: listed once. */
const COMMON = ["--json", "--quiet", "--debug", "--cache", "--no-cache"];

const plain = (text: string): string =>
  text.replaceAll("<", "&lt;").replaceAll("|", "\\|").replaceAll("*", "\\*");
const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** What a command line prints. */
async function printed(...argv: string[]): Promise<string> {
  let text = "";
  const write = (data: string | Uint8Array): void => {
    text += String(data);
  };
  await main(argv, { out: { write, columns: 80 }, err: { write: () => {} } });
  return text;
}

/** The paragraphs of a command's help that follow its options. */
async function afterOptions(name: string): Promise<string> {
  const [, after = ""] = (await printed(name, "--help")).split(/^ {2}-h, --help.*\n/m);
  return after.trim();
}

const optionTable = (options: readonly OptionDescription[]): string[] => [
  "| option | meaning |",
  "| --- | --- |",
  ...options.map(({ flags, description, default: preset }) => {
    const given = preset === undefined || Array.isArray(preset) ? "" : ` (default: ${String(preset)})`;
    return `| \`${flags}\` | ${plain(description)}${plain(given)} |`;
  }),
];

async function section({ name, usage, description, options }: CommandDescription): Promise<string[]> {
  const own = options.filter((option) => !COMMON.includes(option.name));
  const after = await afterOptions(name);
  return [
    `## ${name}`,
    "",
    `${plain(sentence(description))}.`,
    "",
    "```text",
    usage.replace("[options] ", ""),
    "```",
    ...(own.length === 0 ? [] : ["", ...optionTable(own)]),
    ...(after === "" ? [] : ["", "```text", after, "```"]),
    "",
  ];
}

export async function cliReference(): Promise<string> {
  const silent = { write: () => {} };
  const program = buildProgram({ out: silent, err: silent }, new AbortController().signal, () => {});
  const commands = describeCommands(program);
  const common = new Map(
    commands.flatMap(({ options }) => options.map((option) => [option.name, option] as const)),
  );
  const lines = [
    "---",
    "outline: 2",
    "---",
    "",
    "# Commands",
    "",
    "<!-- Written by `pnpm run cli-reference`; do not edit. -->",
    "",
    "`requant help` and `requant help <command>` print the same in a terminal.",
    "",
    "| command | what it does |",
    "| --- | --- |",
    ...commands.map(({ name, description }) => `| [\`${name}\`](#${name}) | ${plain(description)} |`),
    "",
    "## Options of many commands",
    "",
    ...optionTable(COMMON.flatMap((name) => common.get(name) ?? [])),
    "",
  ];
  for (const command of commands) for (const line of await section(command)) lines.push(line);
  lines.push("## Topics of help", "");
  for (const topic of helpTopics)
    lines.push(`### help ${topic}`, "", "```text", (await printed("help", topic)).trim(), "```", "");
  return `${lines.join("\n").trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, await cliReference());
