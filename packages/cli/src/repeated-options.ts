import { UsageError } from "@requant/core";
import type { Command, Option } from "commander";
import { collect } from "./option-values.ts";

/**
 * Refuses every option of a command that takes one value and is given twice: commander would keep the last value.
 * Asked before the options are read.
 */
export function refuseRepeated(command: Command): void {
  for (const option of command.options.filter(takesOneValue)) {
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) {
        throw new UsageError(`The option ${option.flags} is given twice.`, {
          hint: `Give it once. See requant help ${command.name()}.`,
        });
      }
      isGiven = true;
    });
  }
}

function takesOneValue({ required, optional, parseArg }: Option): boolean {
  return (required || optional) && parseArg !== collect;
}
