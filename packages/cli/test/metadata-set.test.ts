/** `metadata set` as people type it: what stands on stdout and stderr, and the exit status. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { describe, expect, it } from "vitest";
import { displayWidth } from "../src/render/width.ts";
import { file, folder, isUntouched, transcript } from "./metadata-transcript.ts";
import { requant } from "./run.ts";

describe("metadata set", () => {
  it.each<[args: string[], transcript: string]>([
    [
      ["general.name=Tina", "llama.context_length=128"],
      `~ general.name: string "Tiny" → "Tina"
~ llama.context_length: u32 64 → 128
! changed: general.name, llama.context_length
`,
    ],
    [
      ["llama.rope.freq_base=1e6", "my.flag=bool:true", 'general.tags=["chat", "漢字"]'],
      `+ llama.rope.freq_base: f32 1000000
+ my.flag: bool true
~ general.tags: array[string] of 1 ["chat"] → array[string] of 2 ["chat", "漢字"]
! changed: llama.rope.freq_base, my.flag, general.tags
`,
    ],
    [
      ["--eos", "<|im_start|>", "--pad", "<unk>", "--fim-pre", "<s>"],
      `~ tokenizer.ggml.eos_token_id: u32 2 → 5
+ tokenizer.ggml.padding_token_id: u32 0
+ tokenizer.ggml.fim_pre_token_id: u32 1
! changed: tokenizer.ggml.eos_token_id, tokenizer.ggml.padding_token_id, tokenizer.ggml.fim_pre_token_id
`,
    ],
    [
      ["my.ids=u64[]:[9007199254740993]"],
      `+ my.ids: array[u64] of 1 [9007199254740993]
! changed: my.ids
`,
    ],
  ])("%j", async (args, expected) => {
    expect(await transcript("set", ...args)).toBe(expected);
    expect(isUntouched()).toBe(false);
    // what is set again is there already
    expect(await transcript("set", ...args)).toContain("! nothing to change: the file is as it was\n");
  });

  it.each<[args: string[], transcript: string]>([
    [
      ["my.key=1"],
      `! requant: my.key is a new key, and nothing is known about its type.
!   Write KEY=TYPE:VALUE, for example my.key=u32:1. TYPE is one of u8 i8 u16 i16 u32 i32 f32 f64 u64 i64 bool string, or for a JSON array one of them with [] behind it.
status 2
`,
    ],
    [
      ["--eos", "<|im_end>"],
      `! requant: None of the 8 tokens has the text "<|im_end>".
!   Near are "<|im_end|>".
status 2
`,
    ],
    [
      ["llama.context_length=str:64"],
      `! requant: llama.context_length is string; llama.cpp reads only u32.
!   Nothing is written. Change what is set or unset, or give --force to write it all the same.
status 2
`,
    ],
    [
      ["general.name=a", "general.name=b"],
      `! requant: general.name is set twice.
!   Give one value.
status 2
`,
    ],
    [
      ["tokenizer.ggml.eos_token_id=1", "--eos", "<s>"],
      `! requant: tokenizer.ggml.eos_token_id is set twice.
!   Give one value.
status 2
`,
    ],
    [
      [],
      `! requant: Metadata set needs KEY=VALUE, KEY=TYPE:VALUE or a special token.
!   For example general.name=My-Model, or --eos '<|im_end|>'.
status 2
`,
    ],
    [
      ["general.name=@no-such-file"],
      `! requant: general.name: the file of the value cannot be read. (no-such-file)
!   Check the path. A value that begins with @ itself is written with @@.
status 4
`,
    ],
    [
      ["my.list=string[]:[{}]"],
      `! requant: my.list: element 0 is the object {}.
!   An array of type string[] holds strings.
status 2
`,
    ],
  ])("refuses %j and leaves the file as it is", async (args, expected) => {
    expect(await transcript("set", ...args)).toBe(expected);
    expect(isUntouched()).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["m.gguf", "original"]);
  });

  it("--force writes what readers would refuse, with a warning", async () => {
    expect(await transcript("set", "llama.context_length=str:64", "--force")).toBe(
      `~ llama.context_length: u32 64 → string "64"
! warning: llama.context_length is string; llama.cpp reads only u32.
! changed: llama.context_length
`,
    );
    expect(await transcript("get", "llama.context_length", "--json")).toBe(
      '[{"key":"llama.context_length","type":"string","value":"64"}]\n',
    );
  });

  it("--dry-run prints the change, or the refusal, and writes nothing", async () => {
    expect(await transcript("set", "general.name=Tina", "--dry-run")).toBe(
      `~ general.name: string "Tiny" → "Tina"
! a dry run, nothing is written; would change: general.name
`,
    );
    expect(await transcript("set", "tokenizer.ggml.eos_token_id=8", "--dry-run")).toBe(
      `~ tokenizer.ggml.eos_token_id: u32 2 → 8
! requant: tokenizer.ggml.eos_token_id is 8; the vocabulary has 8 tokens.
!   Nothing is written. Change what is set or unset, or give --force to write it all the same.
status 2
`,
    );
    expect(isUntouched()).toBe(true);
  });

  it("takes values from files, whole", async () => {
    const template = "{% for m in messages %}\n{{ m }}\n{% endfor %}\n";
    writeFileSync(join(folder, "t.jinja"), template);
    writeFileSync(join(folder, "tags.json"), '["a",\n "b"]\n');
    writeFileSync(join(folder, "n"), "128\n");
    const at = (name: string): string => `@${join(folder, name)}`;
    const { status } = await requant(
      "metadata",
      "set",
      file,
      `tokenizer.chat_template=${at("t.jinja")}`,
      `my.tags=string[]:${at("tags.json")}`,
      `llama.context_length=${at("n")}`,
      "general.name=@@home",
    );
    expect(status).toBe(0);
    const keys = ["tokenizer.chat_template", "my.tags", "llama.context_length", "general.name"];
    const { out } = await requant("metadata", "get", file, "--json", ...keys);
    expect(JSON.parse(out).map(({ value }: { value: unknown }) => value)).toEqual([
      template,
      ["a", "b"],
      128,
      "@home",
    ]);
    writeFileSync(join(folder, "latin1"), Buffer.from([0x61, 0xe9]));
    expect(await transcript("set", `general.name=${at("latin1")}`)).toContain(
      "is not UTF-8 text. (FOLDER/latin1)",
    );
    for (const name of ["t.jinja", "tags.json", "n", "latin1"]) rmSync(join(folder, name));
  });

  it("--json has the change with types and values", async () => {
    const { status, out, err } = await requant(
      "metadata",
      "set",
      file,
      "general.name=u32:7",
      "my.key=f32[]:[0.5]",
      "llama.context_length=64",
      "--force",
      "--json",
    );
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(JSON.parse(out)).toMatchObject({
      file,
      changed: ["general.name", "my.key"],
      dryRun: false,
      written: true,
      changes: [
        {
          key: "general.name",
          change: "set",
          before: { type: "string", value: "Tiny" },
          after: { type: "u32", value: 7 },
        },
        {
          key: "my.key",
          change: "added",
          before: null,
          after: { type: "array[f32]", length: 1, value: [0.5] },
        },
        { key: "llama.context_length", change: "none", after: { type: "u32", value: 64 } },
      ],
      findings: [{ severity: "error", key: "general.name" }],
    });
  });

  it("bounds what it prints, and says where long values differ", async () => {
    const long = "x".repeat(100_000);
    await requant("metadata", "set", file, `general.description=${long}`);
    const { out } = await requant("metadata", "set", file, `general.description=${long}y`);
    expect(out).toMatch(
      /^~ general\.description: string of 100000 characters "x+…x+" → string of 100001 characters "x+…x+y" \(first difference at character 100000\)\n$/,
    );
    expect(displayWidth(out)).toBeLessThan(300);
    const key = "漢".repeat(100_000);
    const wide = await requant("metadata", "set", file, `${key}=str:${"字".repeat(50)}`);
    expect(wide.status).toBe(0);
    for (const line of `${wide.out}${wide.err}`.split("\n")) expect(displayWidth(line)).toBeLessThan(450);
  });

  it("does not number a file as a part of a split", async () => {
    const { status, err } = await requant("metadata", "set", file, "split.count=u16:9");
    expect(status).toBe(2);
    expect(err).toContain("The key split.count numbers the parts of a split model");
    expect((await requant("inspect", file)).status).toBe(0);
  });

  it("is read by another reader as it was meant", async () => {
    const { status } = await requant(
      "metadata",
      "set",
      file,
      "my.u64=u64[]:[9007199254740993, 18446744073709551615]",
      "my.i64=i64:-9007199254740993",
      'my.f32=f32[]:[0.5, "NaN", "-Infinity"]',
      'my.strings=string[]:["a", "漢"]',
      "my.bools=bool[]:[true, false]",
      "my.i8=i8[]:[-128, 127]",
    );
    expect(status).toBe(0);
    const { metadata } = await gguf(file, { allowLocalFile: true });
    expect(metadata).toMatchObject({
      "my.u64": [9007199254740993n, 18446744073709551615n],
      "my.i64": -9007199254740993n,
      "my.f32": [0.5, Number.NaN, Number.NEGATIVE_INFINITY],
      "my.strings": ["a", "漢"],
      "my.bools": [true, false],
      "my.i8": [-128, 127],
      "general.name": "Tiny",
    });
  });
});

describe("convert --set", () => {
  it("takes the same spelling", async () => {
    const out = join(folder, "out.gguf");
    writeFileSync(join(folder, "about"), "line\n");
    const convert = (...sets: string[]): ReturnType<typeof requant> =>
      requant("convert", file, out, "--to", "gguf:f16", ...sets.flatMap((set) => ["--set", set]));
    expect(
      await convert("general.url=https://a/b", `general.description=@${join(folder, "about")}`),
    ).toMatchObject({
      status: 0,
    });
    const { metadata } = await gguf(out, { allowLocalFile: true });
    expect(metadata).toMatchObject({ "general.url": "https://a/b", "general.description": "line\n" });
    expect(await convert("my.key=1")).toMatchObject({
      status: 2,
      err: expect.stringContaining("my.key is a new key, and nothing is known about its type."),
    });
    for (const name of ["out.gguf", "about"]) rmSync(join(folder, name));
  });
});
