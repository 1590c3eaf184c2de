/** A command line without a command. */
import { UsageError } from "@requant/core";
import { didYouMean } from "@requant/core/text";
import type { Command } from "commander";

/** What `help` tells beside the commands; see `help.ts`. */
export const topicsHelp: string =
  "Topics of help: targets, models, output, sizes, status, config, environment. For example: requant help targets";

/** Options of every command, which say nothing alone. */
const COMMON: readonly string[] = ["--json", "--quiet", "--debug"];

/** What is wrong with words that begin with no command. */
export function notACommand(words: readonly string[], program: Command): UsageError {
  const word = words.find((each) => !COMMON.includes(each));
  const names = program.commands.map((command) => command.name());
  const hint = `The commands are ${names.join(", ")}. See requant --help.`;
  if (word === undefined) return new UsageError("There is no command to run.", { hint });
  if (word.startsWith("-")) {
    const flags = program.options.flatMap(({ long }) => long ?? []);
    return new UsageError(
      `There is no option ${word} before a command.${didYouMean(word, [...flags, "--help"])}`,
      {
        hint: "Write the command first: requant <command> [options]. See requant --help.",
      },
    );
  }
  return new UsageError(`There is no command "${word}".${didYouMean(word, names)}`, { hint });
}

/** The help of the program itself, whose words are commands and no arguments. */
export function programHelp(program: Command): Command["helpInformation"] {
  const all = program.helpInformation.bind(program);
  return (context) => {
    const lines = all(context).split("\n");
    const start = lines.indexOf("Arguments:");
    if (start < 0) return lines.join("\n");
    const length = lines.slice(start + 1).findIndex((line) => !line.startsWith(" ")) + 1;
    return lines.toSpliced(start - 1, length + 1).join("\n");
  };
}
