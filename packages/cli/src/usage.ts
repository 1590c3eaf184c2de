/** Faults of the command line itself, as sentences with the way out. */
import { UsageError } from "@requant/core";
import type { CommanderError } from "commander";

/** What commander's message for each code becomes; the rest keeps its words. */
const SENTENCES: Readonly<Record<string, (message: string) => string>> = {
  "commander.unknownOption": (message) =>
    message.replace(/^unknown option '(.*?)'/s, "There is no option $1."),
  "commander.missingArgument": (message) =>
    message.replace(/^missing required argument '(.*?)'/s, "The argument <$1> is missing."),
  "commander.optionMissingArgument": (message) =>
    message.replace(/^option '(.*?)' argument missing/s, "The option $1 has no value."),
  "commander.excessArguments": (message) =>
    message.replace(/^too many arguments/, "There are too many arguments"),
};

/** A fault that commander found, in our words. `command`: the one that was asked for, if it is one. */
export function usageError(error: CommanderError, command: string | undefined): UsageError {
  const message = error.message.replace(/^error: /, "");
  // commander puts its suggestion on a line of its own, in brackets
  const [said = "", suggestion = ""] = message.split(/\n(?=\(Did you mean)/);
  const sentence = (SENTENCES[error.code]?.(said) ?? said).trim();
  const question = suggestion.replace(/^\((.*)\)$/s, "$1");
  return new UsageError([ended(sentence), question].filter((part) => part !== "").join(" "), {
    hint: command === undefined ? "See requant --help." : `See requant help ${command}.`,
  });
}

function ended(sentence: string): string {
  const capital = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  return /[.?!]$/.test(capital) ? capital : `${capital}.`;
}
