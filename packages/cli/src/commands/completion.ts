import { UsageError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import type { Command } from "commander";
import { bashScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
import { powershellScript } from "../completion/powershell.ts";
import { type Shell, shells } from "../completion/shells.ts";
import { type Vocabulary, vocabularyOf } from "../completion/vocabulary.ts";
import { zshScript } from "../completion/zsh.ts";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { writeJson } from "../streams.ts";

const scripts: Readonly<Record<Shell, (vocabulary: Vocabulary) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

/** Prints the script that teaches a shell the words of this command line. */
export async function completion(
  word: string | undefined,
  model: string | undefined,
  program: Command,
  { streams, options, signal }: Pick<Context, "streams" | "options" | "signal">,
): Promise<number> {
  if (model !== undefined) {
    const { tensorNames } = await import("../completion/tensor-names.ts");
    const names = await tensorNames(model, signal);
    if (options.json) writeJson(streams, { tensors: names });
    else streams.out.write(names.map((name) => `${name}\n`).join(""));
    return exitStatus.done;
  }
  if (word === undefined) {
    throw new UsageError("The argument <shell> is missing.", {
      hint: `The shells are ${shells.join(", ")}. See requant help completion.`,
    });
  }
  const shell = shells.find((name) => name === word);
  if (shell === undefined) {
    throw new UsageError(`There is no completion for "${bounded(word, 40)}".${didYouMean(word, shells)}`, {
      hint: `The shells are ${shells.join(", ")}. See requant help completion.`,
    });
  }
  const script = scripts[shell](vocabularyOf(program));
  if (options.json) writeJson(streams, { shell, script });
  else streams.out.write(script);
  return exitStatus.done;
}
