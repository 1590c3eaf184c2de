/**
 * `evaluate`, `imatrix`, `calibrate` and `convert --calibrate TEXT` on the command line. Oracles: llama-perplexity's perplexity of
 * the bundled model (`fixtures/kjv/reference.json`), a run that nobody interrupted, and the statistics made by a command of their own.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { calibrationText } from "@requant/calibration-text";
import { memorySource } from "@requant/core";
import { readImatrix } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interrupted, requant } from "./run.ts";

const fixtures = resolve(import.meta.dirname, "../../../fixtures");
const hf = join(fixtures, "kjv/hf");
const whole = join(fixtures, "kjv/heldout.txt");
const folder = mkdtempSync(join(tmpdir(), "requant-measure-"));
const at = (name: string): string => join(folder, name);
const text = at("text.txt");
const short = at("short.txt");

beforeAll(() => {
  writeFileSync(text, readFileSync(whole, "utf8").slice(0, 5000));
  writeFileSync(short, "In the beginning God created the heaven and the earth.\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("evaluate", () => {
  it("has llama-perplexity's perplexity, and compares with a base of another format", async () => {
    const q8 = at("q8.gguf");
    expect(await requant("convert", hf, q8, "--to", "q8_0")).toMatchObject({ status: 0 });
    const options = ["--text", whole, "--window", "256", "--jobs", "2"];
    const { status, out } = await requant("evaluate", q8, "--base", hf, ...options, "--json");
    expect(status).toBe(0);
    const found = JSON.parse(out);
    // Q8_0 and F32 differ by 0.014 % on this text (golden set, README of kjv)
    expect(Math.abs(found.perplexity / 13.4381 - 1)).toBeLessThan(1e-3);
    expect(found).toMatchObject({ tokens: 9398, windows: 74, window: 256, warnings: [] });
    for (const key of ["perplexityError", "kl", "klError", "sameTop"]) expect(found[key]).toBeGreaterThan(0);
    expect(found.kl).toBeLessThan(1e-4);
    expect(found.sameTop).toBeGreaterThan(0.99);
  });

  it("prints a table, and shows tokens per second on a terminal only", async () => {
    const { out, err } = await requant("evaluate", hf, "--text", text, "--window", "64", "--chunks", "3");
    expect(out).toMatch(/^perplexity +\d+\.\d{4} ± \d+\.\d{4}\nscored +93 tokens in 3 windows of 64\n$/);
    expect(err).toBe("");
    const seen = await interrupted(1000, "evaluate", hf, "--text", text, "--window", "64");
    expect(seen.status).toBe(0);
    expect(seen.err).toMatch(/100 % {2}\S+ tokens\/s/);
    const quiet = await interrupted(1000, "evaluate", hf, "--text", text, "--window", "64", "--quiet");
    expect(quiet.err).toBe("");
  });

  it("Ctrl-C ends it with status 130", async () => {
    const { status } = await interrupted(0, "evaluate", hf, "--text", text, "--window", "64");
    expect(status).toBe(130);
  });
});

describe("imatrix", () => {
  const made = async (...options: string[]): Promise<Awaited<ReturnType<typeof readImatrix>>> => {
    const output = options[0] ?? "";
    const { status, err } = await requant("imatrix", ...options.slice(1), "--output", output);
    expect(status, err).toBe(0);
    return readImatrix(memorySource(readFileSync(output), output));
  };
  const input = [hf, "--text", text, "--window", "64"];

  it("writes both forms, and merges them with statistics", async () => {
    const [gguf, dat, stats] = [at("i.gguf"), at("i.dat"), at("i.safetensors")];
    const first = await made(gguf, ...input, "--chunks", "4");
    expect(first).toMatchObject({ form: "gguf", chunkCount: 4, chunkSize: 64, datasets: [text] });
    expect(first.entries.size).toBe(21);
    expect(await made(dat, ...input, "--process-output")).toMatchObject({ form: "dat" });
    await requant("calibrate", ...input, "-o", stats, "--samples", "4");
    const both = await made(at("both.gguf"), "--merge", gguf, "--merge", stats);
    const name = "blk.1.ffn_up.weight";
    const sum = (matrix: typeof both): number => matrix.entries.get(name)?.sums[7] ?? Number.NaN;
    expect(both.entries.get(name)?.counts).toEqual([512]);
    expect(both.chunkCount).toBe(8);
    const alone = await made(at("alone.gguf"), "--merge", stats);
    expect(Math.abs(sum(both) / (sum(first) + sum(alone)) - 1)).toBeLessThan(1e-6);
    expect(await requant("convert", hf, at("i-q4.gguf"), "--to", "q4_k_m", "--imatrix", dat)).toMatchObject({
      status: 0,
    });
  });

  it("Ctrl-C ends it with status 130, and --resume makes the same bytes", async () => {
    const [one, two] = [at("one.gguf"), at("two.gguf")];
    await made(one, ...input, "--merge", at("i.gguf"));
    const { status, err } = await interrupted(60, "imatrix", ...input, "--merge", at("i.gguf"), "-o", two);
    expect(status).toBe(130);
    expect(err).toContain(
      "The finished layers are kept beside the output. Run again with --resume to go on.",
    );
    expect(existsSync(two)).toBe(false);
    const rest = ["--merge", at("i.gguf"), "-o", two, "--resume", "--json"];
    const { out } = await requant("imatrix", ...input, ...rest);
    expect(JSON.parse(out)).toMatchObject({ file: two, entries: 21, warnings: [] });
    expect(JSON.parse(out).resumed).toBeGreaterThanOrEqual(1);
    expect(Buffer.compare(readFileSync(one), readFileSync(two))).toBe(0);
    expect(readdirSync(folder).filter((name) => name.startsWith(".two"))).toEqual([]);
  });

  it("refuses options of a measurement where files are merged", async () => {
    const [gguf, dat, merged] = [at("i.gguf"), at("i.dat"), at("m.gguf")];
    for (const option of [
      ["--chunks", "3"],
      ["--process-output"],
      ["--window", "64"],
      ["--device", "cpu"],
      ["--resume"],
    ]) {
      const { status, err } = await requant(
        "imatrix",
        "--merge",
        gguf,
        "--merge",
        gguf,
        ...option,
        "-o",
        merged,
      );
      expect(status, err).toBe(2);
      expect(err).toContain(`The option ${option[0]} is about measuring a model, and there is none`);
    }
    // a .dat file counts chunks: of 64 tokens each, here
    const { entries } = await made(merged, "--merge", gguf, "--merge", dat, "--window", "64");
    expect((entries.get("blk.1.ffn_up.weight")?.counts[0] ?? 0) % 64).toBe(0);
    expect((await requant("imatrix", "--merge", dat, "--window", "64", "-o", at("n.gguf"))).status).toBe(2);
  });

  it("makes the folder of its output, and knows the word builtin, as calibrate does", async () => {
    const options = ["--text", "builtin", "--window", "16"];
    const matrix = at("new/deep/i.gguf");
    const { datasets } = await made(matrix, hf, ...options, "--chunks", "2");
    expect(datasets).toEqual(["builtin"]);
    const copy = at("calibration.txt");
    writeFileSync(copy, calibrationText);
    const [word, file] = [at("new/word/s.safetensors"), at("file.safetensors")];
    for (const [output, text] of [
      [word, "builtin"],
      [file, copy],
    ] as const) {
      const made = ["calibrate", hf, "--text", text, "--window", "16", "--samples", "2", "-o", output];
      expect(await requant(...made)).toMatchObject({ status: 0 });
    }
    expect(Buffer.compare(readFileSync(word), readFileSync(file))).toBe(0);
  });

  it("tells of experts that no token reached", async () => {
    const moe = join(fixtures, "arch/granite-3.1-moe-tiny");
    const same = at("same.txt");
    writeFileSync(same, "e".repeat(8));
    const options = ["--text", same, "--window", "1", "--chunks", "2", "--output", at("moe.gguf"), "--json"];
    const { status, out } = await requant("imatrix", moe, ...options);
    expect(status).toBe(0);
    const { warnings } = JSON.parse(out);
    expect(warnings[0]).toMatchObject({ code: "unused-expert", severity: "warning" });
    expect(warnings[0].message).toMatch(/No token of the text reached \d of \d experts/);
  });
});

describe("calibrate", () => {
  const options = ["--text", text, "--window", "64", "--samples", "6"];

  it("Ctrl-C ends it with status 130, and --resume makes the same bytes", async () => {
    const [one, two] = [at("one.safetensors"), at("two.safetensors")];
    expect(await requant("calibrate", hf, ...options, "-o", one)).toMatchObject({ status: 0 });
    const { status, err } = await interrupted(60, "calibrate", hf, ...options, "-o", two);
    expect(status).toBe(130);
    expect(err).toContain(
      "The finished layers are kept beside the output. Run again with --resume to go on.",
    );
    expect(existsSync(two)).toBe(false);
    const { out } = await requant("calibrate", hf, ...options, "-o", two, "--resume", "--json");
    const report = JSON.parse(out);
    expect(report).toMatchObject({ windows: 6, window: 64, entries: 14, warnings: [] });
    // the bar is drawn now and then: at 60 % of 4 steps, or later
    expect(report.resumed).toBeGreaterThanOrEqual(2);
    expect(Buffer.compare(readFileSync(one), readFileSync(two))).toBe(0);
  });

  it("refuses a file that exists, a name of another ending, and options of no text", async () => {
    const taken = at("one.safetensors");
    expect(await requant("calibrate", hf, ...options, "-o", taken)).toMatchObject({ status: 4 });
    expect(await requant("calibrate", hf, ...options, "-o", at("x.bin"))).toMatchObject({ status: 2 });
    const target = [hf, at("none.gguf"), "--to", "q4_0"];
    const { status, err } = await requant("convert", ...target, "--samples", "3");
    expect(status).toBe(2);
    expect(err).toContain("The option --samples is about a calibration text, and no text is given.");
    const made = await requant("convert", ...target, "--samples", "3", "--calibrate", taken);
    expect(made.err).toContain("the statistics are made already");
  });

  it("refuses a seed that has nothing to choose", async () => {
    const all = ["--window", "64", "--seed", "3"];
    const calibrated = await requant("calibrate", hf, "--text", text, ...all, "-o", at("seed.safetensors"));
    const target = [hf, at("seed.gguf"), "--to", "q4_0"];
    const converted = await requant("convert", ...target, "--calibrate", text, ...all);
    for (const { status, err } of [calibrated, converted]) {
      expect(status).toBe(2);
      expect(err).toMatch(/--seed changes nothing: all \d+ windows of the text are taken/);
      expect(err).toContain("--samples");
    }
    expect(existsSync(at("seed.safetensors"))).toBe(false);
  });

  it("its statistics fit copies of the model in any format, and no other model", async () => {
    const stats = at("identity.safetensors");
    expect(await requant("calibrate", hf, ...options, "-o", stats)).toMatchObject({ status: 0 });
    const other = at("other");
    cpSync(hf, other, { recursive: true });
    const path = join(other, "model.safetensors");
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    const [start, end] = header["model.norm.weight"].data_offsets;
    // 3 in bf16
    for (let i = start; i < end; i += 2) bytes.writeUInt16LE(0x4040, 8 + Number(bytes.readBigUInt64LE()) + i);
    writeFileSync(path, bytes);
    const gguf = at("identity.gguf");
    expect(await requant("convert", hf, gguf, "--to", "q8_0")).toMatchObject({ status: 0 });
    const codes = async (model: string): Promise<string[]> => {
      const plan = ["plan", model, "--to", "q4_0", "--allow-requantize", "--calibrate", stats, "--json"];
      const { out } = await requant(...plan);
      return JSON.parse(out).warnings.map(({ code }: { code: string }) => code);
    };
    expect(await codes(hf)).not.toContain("other-model");
    expect(await codes(gguf)).not.toContain("other-model");
    expect(await codes(other)).toContain("other-model");
    const { err } = await requant("plan", other, "--to", "gptq:4bit-128g-sym", "--calibrate", stats);
    expect(err).toMatch(/made of another model named \S+: its last norm has other numbers\./);
  });
});

describe("convert --calibrate TEXT", () => {
  const text64 = ["--calibrate", text, "--window", "64", "--samples", "6"];
  const target = ["--to", "gptq:4bit-64g-sym"];
  const files = (path: string): string[] => readdirSync(path).sort();

  it("makes what convert makes with the statistics of the same text, and leaves nothing else", async () => {
    const stats = at("convert.safetensors");
    await requant("calibrate", hf, ...text64.with(0, "--text"), "-o", stats);
    const out = at("out");
    expect(await requant("convert", hf, join(out, "a"), ...target, "--calibrate", stats)).toMatchObject({
      status: 0,
    });
    expect(await requant("convert", hf, join(out, "b"), ...target, ...text64)).toMatchObject({ status: 0 });
    expect(files(out)).toEqual(["a", "b"]);
    expect(files(join(out, "b"))).toEqual(files(join(out, "a")));
    const weights = (name: string): Buffer => readFileSync(join(out, name, "model.safetensors"));
    expect(Buffer.compare(weights("a"), weights("b"))).toBe(0);
  });

  it("Ctrl-C during the forward pass, then --resume: the same bytes", async () => {
    const stopped = at("stopped/b");
    const { status } = await interrupted(60, "convert", hf, stopped, ...target, ...text64);
    expect(status).toBe(130);
    expect(files(at("stopped")).every((name) => name.startsWith("."))).toBe(true);
    expect(await requant("convert", hf, stopped, ...target, ...text64, "--resume")).toMatchObject({
      status: 0,
    });
    const weights = (path: string): Buffer => readFileSync(join(path, "model.safetensors"));
    expect(Buffer.compare(weights(stopped), weights(at("out/b")))).toBe(0);
    expect(files(at("stopped"))).toEqual(["b"]);
  });

  it("plans without a forward pass, and says so", async () => {
    const { status, out, err } = await requant("plan", hf, ...target, ...text64);
    expect(status).toBe(0);
    expect(out).toContain("GPTQ-4bit-64g");
    expect(err).toContain("The statistics of the text are made when the conversion runs.");
    const moe = join(fixtures, "arch/granite-3.1-moe-tiny");
    const experts = await requant("plan", moe, "--to", "q4_0", "--calibrate", text);
    expect(experts.err).toContain("conversion runs; the plan takes every expert as reached.");
  });

  it("builtin is the text of @requant/calibration-text", async () => {
    const copy = at("builtin.txt");
    writeFileSync(copy, calibrationText);
    const options = ["--window", "32", "--samples", "4", "--no-verify"];
    for (const [name, calibrate] of [
      ["word", "builtin"],
      ["file", copy],
    ] as const) {
      const made = await requant(
        "convert",
        hf,
        at(`${name}.gguf`),
        "--to",
        "q4_0",
        "--calibrate",
        calibrate,
        ...options,
      );
      expect(made.status, made.err).toBe(0);
    }
    expect(Buffer.compare(readFileSync(at("word.gguf")), readFileSync(at("file.gguf")))).toBe(0);
  });

  it("an output that exists is refused before the model runs", async () => {
    const { status, err } = await interrupted(0, "convert", hf, at("out/b"), ...target, ...text64);
    expect(status).toBe(4);
    expect(err).toContain("exists already");
    expect(err).not.toContain("tokens/s");
  });
});

describe("bad input", () => {
  const without = at("without-tokenizer");
  const damaged = at("damaged");
  beforeAll(() => {
    for (const copy of [without, damaged]) cpSync(hf, copy, { recursive: true });
    rmSync(join(without, "tokenizer.json"));
    const path = join(damaged, "model.safetensors");
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    const [start] = header["model.layers.1.mlp.up_proj.weight"].data_offsets;
    // NaN in bf16
    bytes.writeUInt16LE(0x7fc0, 8 + Number(bytes.readBigUInt64LE()) + start);
    writeFileSync(path, bytes);
  });

  it.each<[what: string, argv: string[], status: number, message: RegExp]>([
    [
      "a text that is too short",
      [hf, "--text", short],
      2,
      /The text has 1\d tokens, and at least 1024 are needed/,
    ],
    ["a file that is no text", [hf, "--text", join(hf, "model.safetensors")], 2, /is not text in UTF-8/],
    ["a missing text", [hf, "--text", at("missing.txt")], 4, /the text cannot be read/],
    ["a window of no tokens", [hf, "--text", whole, "--window", "0"], 2, /--window is 0/],
    ["a model without a tokenizer", [without, "--text", whole], 5, /The model has no tokenizer/],
    [
      "a family without a forward pass",
      [join(fixtures, "arch/DeepSeek-V2-tiny-Chat"), "--text", whole],
      3,
      /The forward pass of the architecture deepseek2 is not known/,
    ],
    ["weights that are NaN", [damaged, "--text", text, "--window", "64"], 3, /not finite|NaN/],
  ])("%s", async (_, argv, status, message) => {
    for (const command of [
      ["evaluate"],
      ["imatrix", "-o", at("bad.gguf")],
      ["calibrate", "-o", at("bad.safetensors")],
    ]) {
      const result = await requant(...command.slice(0, 1), ...argv, ...command.slice(1));
      expect(result.err).toMatch(message);
      expect(result.status).toBe(status);
      expect(result.out).toBe("");
    }
    expect(readdirSync(folder).filter((name) => name.includes("bad."))).toEqual([]);
  });

  it("each command names its own way for a family without a forward pass", async () => {
    const input = [join(fixtures, "arch/DeepSeek-V2-tiny-Chat"), "--text", whole];
    const hints = [
      ["evaluate", "evaluate it with llama-perplexity"],
      ["imatrix", "make its importance matrix with llama-imatrix", "-o", at("bad.gguf")],
      ["calibrate", "Use --imatrix FILE with an importance matrix", "-o", at("bad.safetensors")],
    ] as const;
    for (const [command, hint, ...output] of hints) {
      expect((await requant(command, ...input, ...output)).err.replace(/\s+/g, " ")).toContain(hint);
    }
  });

  it("a window that is too short to score is refused before the model runs", async () => {
    const { status, err } = await requant("evaluate", hf, "--text", whole, "--window", "2");
    expect(status).toBe(2);
    expect(err).toContain("Nothing would be scored in windows of 2");
    expect(err).toContain("--window: at least 3 tokens");
    const least = await requant("evaluate", hf, "--text", text, "--window", "3", "--chunks", "2", "--json");
    expect(JSON.parse(least.out)).toMatchObject({ tokens: 2, windows: 2 });
  });

  it("a model without a tokenizer takes the tokens of its base", async () => {
    const options = ["--text", text, "--window", "64", "--json"];
    const { status, out } = await requant("evaluate", without, "--base", hf, ...options);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ kl: 0, sameTop: 1 });
  });

  it("a base of another vocabulary is refused", async () => {
    const other = join(fixtures, "arch/gemma-tiny");
    const { status, err } = await requant("evaluate", hf, "--base", other, "--text", text, "--window", "16");
    expect(err).toMatch(/The model has 1024 tokens in its vocabulary, and the base has \d+/);
    expect(status).toBe(2);
  });
});
