/** Defaults from files, put where the command line says nothing. */
import type { Command } from "commander";
import { configPlaces } from "./places.ts";
import { readConfigTexts } from "./read.ts";
import { variableOf } from "./rules.ts";

/** One default that was taken from a file, for people and for scripts. */
export interface TakenDefault {
  /** "--jobs". */
  readonly option: string;
  readonly value: unknown;
  readonly file: string;
}

export interface TakenConfig {
  readonly taken: readonly TakenDefault[];
  readonly updateNotice: boolean;
}

const NOTHING: TakenConfig = { taken: [], updateNotice: false };

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
  const { parseConfig } = await import("./parse.ts");
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
  return { taken, updateNotice };
}

/** "From requant.config.json: --jobs 4, --pure." */
export function takenWords(taken: readonly TakenDefault[]): string[] {
  const files = [...new Set(taken.map(({ file }) => file))];
  return files.map((file) => {
    const own = taken.filter((each) => each.file === file);
    return `Defaults from ${file}: ${own.map(optionWords).join(", ")}. --no-config leaves them out.`;
  });
}

function optionWords({ option, value }: TakenDefault): string {
  if (value === true) return option;
  if (value === false) return option.startsWith("--no-") ? option : `${option} off`;
  return `${option} ${Array.isArray(value) ? value.join(" ") : String(value)}`;
}
