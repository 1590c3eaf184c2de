/** Commands and options as data: for `help --json` and for completion. */
import type { Command } from "commander";
import { type Example, examplesOf } from "./examples.ts";

export interface OptionDescription {
  /** As it is written: "--shard-size <size>". */
  readonly flags: string;
  /** "--shard-size". */
  readonly name: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly default?: unknown;
}

export interface CommandDescription {
  readonly name: string;
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly many: boolean;
  }[];
  readonly options: readonly OptionDescription[];
  readonly examples: readonly Example[];
}

export function describeCommand(command: Command): CommandDescription {
  return {
    name: command.name(),
    usage: `requant ${command.name()} ${command.usage()}`,
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      required: argument.required,
      many: argument.variadic,
    })),
    options: command.options.map((option) => ({
      flags: option.flags,
      name: option.long ?? option.flags,
      description: option.description,
      takesValue: option.required || option.optional,
      ...(option.defaultValue === undefined ? {} : { default: option.defaultValue }),
    })),
    examples: examplesOf(command.name()),
  };
}

export function describeCommands(program: Command): CommandDescription[] {
  return program.commands.map(describeCommand);
}
