import { UsageError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import type { Command } from "commander";
import { bashScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
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
};

/** Prints the script that teaches a shell the words of this command line. */
export function completion(
  word: string,
  program: Command,
  { streams, options }: Pick<Context, "streams" | "options">,
): number {
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
