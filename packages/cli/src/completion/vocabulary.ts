/** What can be completed: the commands, and the words of each option and argument, from the tables that the commands read. */
import { cacheTypeNames, listSizedTargets, listTargets, runtimes } from "@requant/convert";
import { assignableTypes } from "@requant/gguf";
import type { Command } from "commander";
import { type CommandDescription, describeCommands } from "../describe.ts";
import { helpTopics } from "../help.ts";
import { metadataActions } from "../metadata-options.ts";
import { shells } from "./shells.ts";

export interface CompletedCommand extends CommandDescription {
  /** Words of its first argument, where it is no file. */
  readonly words: readonly string[];
}

export interface Vocabulary {
  readonly commands: readonly CompletedCommand[];
  /** Words by the option that they follow: "--to". */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** The option whose value may be several words, separated by commas. */
  readonly listOption: string;
}

const types = assignableTypes.map((name) => name.toLowerCase());

export function vocabularyOf(program: Command): Vocabulary {
  const commands = describeCommands(program);
  const firstWords: Readonly<Record<string, readonly string[]>> = {
    help: [...helpTopics, ...commands.map(({ name }) => name)],
    metadata: metadataActions,
    completion: shells,
  };
  return {
    commands: commands.map((command) => ({ ...command, words: firstWords[command.name] ?? [] })),
    listOption: "--to",
    values: new Map([
      ["--to", [...new Set([...listTargets(), ...listSizedTargets()])]],
      ["--for", runtimes],
      ["--kv", cacheTypeNames],
      ["--output-tensor", types],
      ["--token-embedding", types],
      ["--dtype", ["f32", "f16", "bf16"]],
    ]),
  };
}
