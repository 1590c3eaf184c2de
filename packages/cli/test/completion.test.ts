/** What each shell completes. Oracle: the shells themselves, where they are installed, and the tables of the command line. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listTargets } from "@requant/convert";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-completion-"));
const scriptOf = (shell: string): string => join(folder, `requant.${shell}`);
const has = (shell: string): boolean => spawnSync(shell, ["-c", "true"]).status === 0;

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { status, out } = await requant("completion", shell);
    expect(status).toBe(0);
    writeFileSync(scriptOf(shell), out);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: shells have the same syntax
/** How each shell is asked for the words that may stand at the end of a line. */
const ask: Readonly<Record<string, (line: string) => string>> = {
  bash: (line) =>
    execFileSync(
      "bash",
      [
        "--norc",
        "-c",
        'source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; COMP_WORDBREAKS=$3; _requant; printf "%s\\n" "${COMPREPLY[@]}"',
        "bash",
        scriptOf("bash"),
        line,
        " \t\n",
      ],
      { encoding: "utf8" },
    ),
  zsh: (line) =>
    execFileSync(
      "zsh",
      [
        "-f",
        "-c",
        'compdef() { : }; _files() { : }; source "$1"; words=("${(@s: :)2}"); CURRENT=$#words; compadd() { shift; print -rl -- $@ }; _requant',
        "zsh",
        scriptOf("zsh"),
        line,
      ],
      { encoding: "utf8" },
    ),
  fish: (line) =>
    execFileSync(
      "fish",
      ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", scriptOf("fish"), line],
      { encoding: "utf8", env: { ...process.env, HOME: folder } },
    ),
};

// biome-ignore-end lint/suspicious/noTemplateCurlyInString: shells have the same syntax

/** The answers that begin with the last word of the line: zsh filters them itself. */
function completed(shell: string, line: string): string[] {
  const last = line.split(" ").at(-1) ?? "";
  const answers = ask[shell]?.(line) ?? "";
  return answers
    .split("\n")
    .map((answer) => answer.split("\t")[0] ?? "")
    .filter((answer) => answer !== "" && answer.startsWith(last))
    .sort();
}

describe.each(["bash", "zsh", "fish"])("%s (skipped where it is not installed)", (shell) => {
  const run = it.skipIf(!has(shell));

  run("completes commands", () => {
    expect(completed(shell, "requant in")).toEqual(["inspect"]);
    expect(completed(shell, "requant co")).toEqual(["completion", "convert"]);
  });

  run("completes the options of a command", () => {
    expect(completed(shell, "requant convert a b --allow")).toEqual([
      "--allow-non-finite",
      "--allow-requantize",
    ]);
    expect(completed(shell, "requant inspect m --tens")).toEqual(["--tensors"]);
  });

  run("completes targets, which have a colon", () => {
    expect(completed(shell, "requant convert a b --to gguf:q4_k")).toEqual([
      "gguf:q4_k",
      "gguf:q4_k_m",
      "gguf:q4_k_s",
    ]);
    expect(completed(shell, "requant plan a --to ")).toEqual([...listTargets(), "exl2:auto"].sort());
  });

  run("completes each of several targets", () => {
    expect(completed(shell, "requant convert a b --to gguf:q8_0,gguf:q4_k")).toEqual([
      "gguf:q8_0,gguf:q4_k",
      "gguf:q8_0,gguf:q4_k_m",
      "gguf:q8_0,gguf:q4_k_s",
    ]);
  });

  run("completes the words of other options and arguments", () => {
    expect(completed(shell, "requant choose --kv q")).toEqual(["q4_0", "q8_0"]);
    expect(completed(shell, "requant doctor m --for ll")).toEqual(["llama.cpp"]);
    expect(completed(shell, "requant metadata s")).toEqual(["set"]);
    expect(completed(shell, "requant help targ")).toEqual(["targets"]);
    expect(completed(shell, "requant completion f")).toEqual(["fish"]);
  });
});

it.skipIf(!has("bash"))(
  "in bash, the part before the colon is not repeated where bash splits at colons",
  () => {
    const script =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for bash
      'source "$1"; COMP_LINE="requant plan a --to gguf:q8"; COMP_POINT=${#COMP_LINE}; COMP_WORDBREAKS=":"; _requant; printf "%s\\n" "${COMPREPLY[@]}"';
    expect(
      execFileSync("bash", ["--norc", "-c", script, "bash", scriptOf("bash")], { encoding: "utf8" }),
    ).toBe("q8_0\n");
  },
);

it("every word is one that no shell takes apart", async () => {
  const { commands } = JSON.parse((await requant("help", "--json")).out);
  const words = commands.flatMap((command: { name: string; options: { name: string }[] }) => [
    command.name,
    ...command.options.map(({ name }) => name),
  ]);
  expect(words.length).toBeGreaterThan(100);
  for (const word of [...words, ...listTargets()]) expect(word).toMatch(/^[a-z0-9._:-]+$/);
});

it("another shell is refused by name", async () => {
  const { status, err } = await requant("completion", "bassh", "--json");
  expect({ status, ...JSON.parse(err).error }).toMatchObject({
    status: 2,
    code: "USAGE",
    message: 'There is no completion for "bassh". Did you mean bash?',
  });
});

describe("help --json", () => {
  it("is one document: all commands, one command, or a topic", async () => {
    const all = JSON.parse((await requant("help", "--json")).out);
    const one = JSON.parse((await requant("help", "convert", "--json")).out);
    expect(all.commands.find(({ name }: { name: string }) => name === "convert")).toEqual(one);
    expect(all.topics).toEqual(["targets", "models", "output", "sizes", "status", "config", "environment"]);
    expect(one).toMatchObject({
      usage: "requant convert [options] <model> <output>",
      arguments: [
        { name: "model", required: true, many: false },
        { name: "output", required: true, many: false },
      ],
    });
    expect(one.options).toContainEqual(
      expect.objectContaining({ flags: "--to <target>", name: "--to", takesValue: true }),
    );
    const topic = JSON.parse((await requant("help", "sizes", "--json")).out);
    expect(topic).toEqual({
      topic: "sizes",
      text: expect.stringMatching(/^A size is a number with a unit: .*refused\.$/),
    });
  });
});
