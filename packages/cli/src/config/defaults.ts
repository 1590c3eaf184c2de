/** Defaults from files, put where the command line says nothing. */
import type { Command } from "commander";
import { configPlaces } from "./places.ts";
import { readConfigTexts } from "./read.ts";
import type { TakenDefault } from "./taken-words.ts";

export interface TakenConfig {
  readonly taken: readonly TakenDefault[];
  /** A sentence for each file that something was taken from. */
  readonly words: readonly string[];
  readonly updateNotice: boolean;
}

const NOTHING: TakenConfig = { taken: [], words: [], updateNotice: false };

/** Commands that do nothing with a model, and shells start often. */
const WITHOUT: readonly string[] = ["help", "version", "completion"];

/**
 * Sets each option that the command line leaves out, and a file gives. The command line wins over the environment, that over
 * the file of the working folder, that over the user's.
 * @throws UsageError for a file with a key or a value that is not allowed
 */
export async function takeDefaults(
  command: Command,
  commands: readonly Command[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<TakenConfig> {
  if (command.getOptionValue("config") === false || WITHOUT.includes(command.name())) return NOTHING;
  const texts = readConfigTexts(configPlaces());
  if (texts.length === 0) return NOTHING;
  // loaded where there is a file alone: most people have none
  const { parseConfig } = await import("./parse.ts");
  const { variableOf } = await import("./rules.ts");
  const { takenWords } = await import("./taken-words.ts");
  const { defaults, updateNotice } = parseConfig(texts, command, commands);
  const taken: TakenDefault[] = [];
  for (const { option, value, written, path } of defaults) {
    const source = command.getOptionValueSource(option.attributeName());
    const variable = variableOf[option.name()];
    const isSaid = (source !== undefined && source !== "default") || (variable && environment[variable]);
    if (isSaid) continue;
    command.setOptionValueWithSource(option.attributeName(), value, "config");
    taken.push({ option: option.long ?? option.flags, value: written, file: path });
  }
  return { taken, words: takenWords(taken), updateNotice };
}
