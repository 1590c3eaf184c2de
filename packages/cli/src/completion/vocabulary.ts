/** What can be completed: the commands, and the words of each option and argument, from the tables that the commands read. */
import { cacheTypeNames, listSizedTargets, listTargets, runtimes } from "@requant/convert";
import { assignableTypes } from "@requant/gguf";
import type { Command } from "commander";
import { type CommandDescription, describeCommands } from "../describe.ts";
import { fleetActions } from "../fleet-options.ts";
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
  /** The option whose value is a tensor's name, an equals sign and a word of `values`. */
  readonly typedOption: string;
  /** The options whose value is the name of a tensor, or a part of it. */
  readonly tensorOptions: readonly string[];
  /** The command whose second argument is the name of a tensor. */
  readonly tensorCommand: string;
}

const types = assignableTypes.map((name) => name.toLowerCase());

export function vocabularyOf(program: Command): Vocabulary {
  const commands = describeCommands(program);
  const firstWords: Readonly<Record<string, readonly string[]>> = {
    help: [...helpTopics, ...commands.map(({ name }) => name)],
    metadata: metadataActions,
    fleet: fleetActions,
    completion: shells,
  };
  return {
    commands: commands.map((command) => ({ ...command, words: firstWords[command.name] ?? [] })),
    listOption: "--to",
    typedOption: "--tensor",
    tensorOptions: ["--tensor", "--include-weights", "--exclude-weights"],
    tensorCommand: "dump",
    values: new Map([
      ["--to", [...new Set([...listTargets(), ...listSizedTargets()])]],
      ["--for", runtimes],
      ["--kv", cacheTypeNames],
      ["--tensor", types],
      ["--output-tensor", types],
      ["--token-embedding", types],
      ["--device", ["cpu", "webgpu"]],
      ["--dtype", ["f32", "f16", "bf16"]],
    ]),
  };
}
