/** What each shell completes. Oracle: the shells themselves, where they are installed, and the tables of the command line. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { listTargets } from "@requant/convert";
import { layoutGguf } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-completion-"));
const bin = resolve(import.meta.dirname, "../src/bin.ts");
const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const mark = join(folder, "was-run");
/** The scripts start the command by its name. */
const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, HOME: folder };

/** Names that a shell would run, or take apart, if they came onto its command line. */
function hostileGguf(): Uint8Array {
  const names = [
    `$(touch ${mark})`,
    `\`touch ${mark}\``,
    `a;touch ${mark}`,
    "a b",
    "--to",
    "a'b",
    "a\\b",
    "*",
    "good.weight",
  ];
  const { header, dataOffset, byteLength } = layoutGguf({
    metadata: new Map([["general.architecture", { type: "string", value: "llama" }]]),
    tensors: names.map((name) => ({ name, shape: [1], encoding: "F32" })),
  });
  const bytes = new Uint8Array(dataOffset + byteLength);
  bytes.set(header);
  return bytes;
}
const scriptOf = (shell: string): string => join(folder, `requant.${shell}`);
const has = (shell: string): boolean => spawnSync(shell, ["-c", "true"]).status === 0;

beforeAll(async () => {
  mkdirSync(join(folder, "bin"));
  const program = [process.execPath, "--conditions=@requant/source", "--no-warnings", bin];
  writeFileSync(join(folder, "bin/requant"), `#!/bin/sh\nexec ${program.join(" ")} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(folder, "hostile.gguf"), hostileGguf());
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
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
      { encoding: "utf8", env },
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
      { encoding: "utf8", env },
    ),
  fish: (line) =>
    execFileSync(
      "fish",
      ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", scriptOf("fish"), line],
      { encoding: "utf8", env },
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

  run("completes words without a format, which is that of the first target", () => {
    expect(completed(shell, "requant convert a b --to gguf:q8_0,q4_k")).toEqual([
      "gguf:q8_0,q4_k",
      "gguf:q8_0,q4_k_m",
      "gguf:q8_0,q4_k_s",
    ]);
    expect(completed(shell, "requant convert a b --to safetensors:f16,b")).toContain("safetensors:f16,bf16");
  });

  run("completes names of tensors from the header of the model on the line", () => {
    expect(completed(shell, `requant dump ${kjv} model.layers.2.mlp.`)).toEqual([
      "model.layers.2.mlp.down_proj.weight",
      "model.layers.2.mlp.gate_proj.weight",
      "model.layers.2.mlp.up_proj.weight",
    ]);
    // options of a conversion take the names of the output
    expect(
      completed(shell, `requant convert --jobs 2 ${kjv} out.gguf --to q8_0 --tensor blk.1.ffn_`),
    ).toEqual([
      "blk.1.ffn_down.weight",
      "blk.1.ffn_gate.weight",
      "blk.1.ffn_norm.weight",
      "blk.1.ffn_up.weight",
    ]);
    expect(completed(shell, `requant convert ${kjv} o --tensor blk.1.ffn_down=q6`)).toEqual([
      "blk.1.ffn_down=q6_k",
    ]);
  });

  run("never puts a name onto the line that the shell would run or take apart", () => {
    const hostile = join(folder, "hostile.gguf");
    expect(completed(shell, `requant dump ${hostile} `)).toEqual(["good.weight"]);
    expect(completed(shell, `requant dump ${hostile} a`)).toEqual([]);
    expect(existsSync(mark)).toBe(false);
  });

  run("is silent where the model cannot be read", () => {
    for (const model of [join(folder, "missing.gguf"), scriptOf("bash"), folder, "hf:owner/repo"])
      expect(completed(shell, `requant convert ${model} o --tensor blk`)).toEqual([]);
  });

  run("completes the words of other options and arguments", () => {
    expect(completed(shell, "requant choose --kv q")).toEqual(["q4_0", "q8_0"]);
    expect(completed(shell, "requant doctor m --for ll")).toEqual(["llama.cpp"]);
    expect(completed(shell, "requant metadata s")).toEqual(["set"]);
    expect(completed(shell, "requant help targ")).toEqual(["targets"]);
    expect(completed(shell, "requant completion f")).toEqual(["fish"]);
    expect(completed(shell, "requant evaluate m --device w")).toEqual(["webgpu"]);
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

describe("powershell, which is not run here", () => {
  const script = (): string => readFileSync(scriptOf("powershell"), "utf8");

  it("has every command, option and target, each in quotes", () => {
    const text = script();
    expect(text).toContain("Register-ArgumentCompleter -Native -CommandName requant");
    expect(text).toMatch(/'convert' = @\(.*'--shard-size'.*'--help'\)/);
    for (const target of listTargets()) expect(text).toContain(`'${target}'`);
  });

  it("closes every bracket and quote that it opens", () => {
    const code = script()
      .split("\n")
      .filter((line) => !/^\s*#/.test(line))
      .join("\n");
    expect((code.match(/'/g) ?? []).length % 2).toBe(0);
    const bare = code.replace(/'[^']*'|"[^"]*"/g, "");
    for (const [open, close] of ["()", "{}", "[]"])
      expect(bare.split(open ?? "").length, open).toBe(bare.split(close ?? "").length);
  });
});

it("tensors are not asked of a server, and a shell is not needed with them", async () => {
  expect(await requant("completion", "--tensors", "https://127.0.0.1:1/x.gguf")).toEqual({
    status: 0,
    out: "",
    err: "",
  });
  const { out } = await requant("completion", "--tensors", kjv, "--json");
  expect(JSON.parse(out).tensors).toContain("blk.0.attn_q.weight");
  expect(await requant("completion")).toMatchObject({ status: 2 });
});

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
