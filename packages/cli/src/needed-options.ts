import { UsageError } from "@requant/core";
import { type Command, Option } from "commander";

/** Options without which a command cannot work. Commander would name a missing one before a misspelt one. */
const needed = new WeakSet<Option>();

/** Adds such an option. */
export function needs(command: Command, flags: string, description: string): Command {
  const option = new Option(flags, description);
  needed.add(option);
  return command.addOption(option);
}

/** @throws UsageError for one that is missing. Asked after unknown options are refused: a misspelt option is why another one is missing. */
export function refuseMissing(command: Command, given: Readonly<Record<string, unknown>>): void {
  for (const option of command.options) {
    if (!needed.has(option) || given[option.attributeName()] !== undefined) continue;
    throw new UsageError(`The option ${option.flags} is missing.`, {
      hint: `It is ${option.description}. See requant help ${command.name()}.`,
    });
  }
}
