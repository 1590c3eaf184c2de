/** What people type, and what they are answered: command line → stdout, stderr, exit status. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describeTargets, parseTarget } from "@requant/convert";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../src/main.ts";
import { VERSION } from "../src/version.ts";
import { builtCommand, isBuilt } from "./abuse/child.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const tiny = resolve(import.meta.dirname, "../../../fixtures/abuse/model/float-valid");
const folder = mkdtempSync(join(tmpdir(), "requant-transcripts-"));
const q8 = join(folder, "q8.gguf");
const packed = join(folder, "packed");
const at = (name: string): string => join(folder, name);
/** One line for each paragraph. */
const unwrapped = (text: string): string => text.replace(/\s+/g, " ");

beforeAll(async () => {
  for (const [output, target] of [
    [q8, "q8_0"],
    [packed, "gptq:4bit-128g-sym"],
  ] as const) {
    const made = await requant("convert", hf, output, "--to", target);
    expect(made, made.err).toMatchObject({ status: 0 });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("hidden grids", () => {
  const floats = at("dequantized");
  beforeAll(async () => {
    expect(await requant("convert", packed, floats, "--to", "safetensors:bf16")).toMatchObject({ status: 0 });
  });

  it("inspect --grids names the grid of each float matrix, or none", async () => {
    const { status, out } = await requant("inspect", floats, "--grids");
    expect(status).toBe(0);
    expect(unwrapped(out)).toContain("tensor stored as grid of its floats share a scale scales rounded to");
    expect(unwrapped(out)).toMatch(
      /model\.layers\.0\.mlp\.up_proj\.weight BF16 4-bit symmetric groups of 128 f16 bf16/,
    );
    expect(unwrapped(out)).toMatch(/model\.embed_tokens\.weight BF16 none/);
    const { grids } = JSON.parse((await requant("inspect", floats, "--grids", "--json")).out);
    expect(grids).toContainEqual({
      name: "model.layers.0.mlp.up_proj.weight",
      encoding: "BF16",
      grid: {
        levels: "integer",
        bits: 4,
        symmetric: true,
        blockRows: 1,
        blockColumns: 128,
        scale: "F16",
        rounding: "BF16",
      },
      description: "4-bit symmetric integers, groups of 128 columns, f16 scales, each value rounded to bf16",
    });
    expect(JSON.parse((await requant("inspect", floats, "--json")).out).grids).toBeUndefined();
  });

  it("convert --grids keeps the codes, and --exact says what rounding stands in the way", async () => {
    const target = ["--to", "gptq:4bit-128g-sym"];
    const { out } = await requant("plan", floats, ...target, "--grids");
    expect(unwrapped(out)).toMatch(/rounded 21 BF16 → GPTQ-4bit-128g/);
    expect(unwrapped((await requant("plan", floats, ...target)).out)).toMatch(/requantized 21 BF16/);
    const refused = await requant("convert", floats, at("refused"), ...target, "--exact");
    expect(refused.status).toBe(5);
    expect(unwrapped(refused.err)).toContain("the file stores scale × code rounded to bf16");
    const idle = await requant("plan", floats, "--to", "safetensors:f32", "--grids");
    expect(idle).toMatchObject({ status: 2 });
    expect(idle.err).toContain("does not take --grids");
  });

  it("help says what the search costs", async () => {
    for (const command of ["inspect", "convert", "plan"]) {
      expect(unwrapped((await requant("help", command)).out)).toMatch(
        /--grids .*one pass|--grids .*in whole/,
      );
    }
  });
});

describe("commands and options", () => {
  it.each([
    [["inspct", "m"], 'There is no command "inspct". Did you mean inspect?'],
    [["frobnicate"], 'There is no command "frobnicate".'],
    [["--jsn"], "There is no option --jsn before a command."],
    [["--vesion"], "There is no option --vesion before a command. Did you mean --version?"],
    [[], "There is no command to run."],
    [["inspect", "m", "--tensr"], "There is no option --tensr. Did you mean --tensors?"],
    // the misspelt option is why the other one is missing
    [["convert", "a", "b", "--too", "q8_0"], "There is no option --too. Did you mean --to?"],
    [["convert", "a", "b"], "The option --to <target> is missing."],
    [["convert", "a", "--to", "q8_0"], "The argument <output> is missing."],
    [["inspect", "a", "b"], "There are too many arguments for 'inspect'. Expected 1 argument but got 2."],
    [["help", "convrt"], 'There is no help on "convrt". Did you mean convert?'],
    [
      ["convert", "a", "b", "--to", "q8_0", "--jobs", "none"],
      /^Option '--jobs <n>' argument 'none' is invalid/,
    ],
    [
      ["verify", "a", "b", "--tolerance", "little"],
      /It must be a number, zero or more, such as 0.01 or 1%\.$/,
    ],
    [["verify", "a", "b", "--tolerance", "-1"], /It must be a number, zero or more/],
  ])("%j is answered with the nearest", async (argv, message) => {
    const { status, out, err } = await requant(...argv, "--json");
    const { error } = JSON.parse(err);
    expect({ status, out, code: error.code }).toEqual({ status: 2, out: "", code: "USAGE" });
    expect(error.message).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
    expect(error.hint).toMatch(/requant (?:--)?help/);
  });

  it("says when the value of an option is missing", async () => {
    expect((await requant("convert", "a", "b", "--to")).err).toBe(
      "requant: The option --to <target> has no value.\n  See requant help convert.\n",
    );
  });

  it("writes one sentence and one way out", async () => {
    expect(await requant("inspect", "m", "--tensr")).toEqual({
      status: 2,
      out: "",
      err: "requant: There is no option --tensr. Did you mean --tensors?\n  See requant help inspect.\n",
    });
  });

  it("never prints a control character of the command line", async () => {
    for (const argv of [["in\u001b[2Jspect"], ["inspect", "--a\nb\u0007"], ["help", "\u001b]0;x"]]) {
      const { status, err } = await requant(...argv);
      expect(status).toBe(2);
      expect(err).toMatch(/^requant: [ -~“”…]*\n {2}[ -~]*\n$/);
      expect(err).not.toContain("\\u{a}(");
    }
  });

  it("help and version are commands, too", async () => {
    expect(await requant("version")).toEqual({ status: 0, out: `${VERSION}\n`, err: "" });
    expect(await requant("--version")).toEqual({ status: 0, out: `${VERSION}\n`, err: "" });
    const page = await requant("--help");
    expect(page.out).toContain(
      "Topics of help: targets, models, output, sizes, status, config, environment.",
    );
    expect(await requant("help")).toEqual(page);
    expect(await requant("help", "convert")).toEqual(await requant("convert", "--help"));
    for (const topic of ["targets", "models", "output", "sizes", "status"]) {
      const { status, out } = await requant("help", topic);
      expect({ topic, status, wide: out.split("\n").filter((line) => line.length > 80) }).toEqual({
        topic,
        status: 0,
        wide: [],
      });
    }
  });

  it("help targets says what rounding is", async () => {
    const text = unwrapped((await requant("help", "targets")).out);
    const roundings = describeTargets().flatMap(({ rounding }) => rounding ?? []);
    expect(roundings.length).toBeGreaterThan(0);
    for (const rounding of roundings) expect(text).toContain(unwrapped(rounding));
    expect(text).toContain("2bit … 8bit: Bits per code. Without one: 4bit.");
    expect(text).not.toMatch(/4bit … 4bit/);
    expect(unwrapped((await requant("help", "convert")).out)).toContain(
      "Without --calibrate, new codes are rounded to the nearest one",
    );
  });
});

describe("targets", () => {
  it.each([
    ["q8_0", "gguf:q8_0"],
    ["Q4_K_M", "gguf:q4_k_m"],
    ["gemm-128g", "awq:gemm-128g"],
    ["4.0bpw-h6", "exl2:4.0bpw-h6"],
  ])("%s is %s", async (word, text) => {
    expect(parseTarget(word)).toEqual(parseTarget(text));
    expect(parseTarget(word).text).toBe(text);
    // the words are read before the model is looked for
    expect((await requant("plan", at("nowhere"), "--to", word)).status).toBe(4);
  });

  it.each([
    ["q4_k_n", 'There is no target "q4_k_n". Did you mean gguf:q4_k_s or gguf:q4_k_m?', /^Write a format/],
    ["gpqt:4bit", 'There is no target format "gpqt". Did you mean gptq?', /^The formats are/],
    ["gguff", 'There is no target "gguff". Did you mean gguf:q8_0?', /^Write a format/],
    ["gguf:q9_0", '"q9_0" is not a GGUF target. Did you mean q8_0?', /^Choose one of/],
    ["bf16", 'Several formats have the word "bf16": gguf:bf16, safetensors:bf16.', /gguf:bf16/],
    // the same rule for every format: its name alone is refused, with spellings
    ["gptq", "The target gptq does not say which type.", /gptq:4bit-128g-sym, gptq:2bit-128g-sym/],
    ["gptq:", "The target gptq does not say which type.", /gptq:4bit-128g-sym, gptq:2bit-128g-sym/],
    ["exl2", "The target exl2 does not say which type.", /exl2:4.25bpw-h6/],
    ["gguf", "The target gguf does not say which type.", /gguf:q8_0, gguf:q4_k_m/],
    ["awq", "The target awq does not say which type.", /awq:gemm-128g, awq:gemv-128g/],
    ["safetensors", "The target safetensors does not say which type.", /safetensors:bf16/],
    ["exl2:4.0", '"4.0" is not a word of this target. Did you mean 4.0bpw?', /2bpw … 8.5bpw/],
    [
      "exl2:-1bpw",
      '"-1bpw" is out of range: bits is 2bpw … 8.5bpw, with at most 3 digits after the point.',
      /such as 2.5bpw/,
    ],
    ["gptq:9bit", '"9bit" is out of range: bits is 2bit … 8bit.', /2bit, 3bit, 4bit/],
    ["awq:3bit", '"3bit" is out of range: bits is 4bit.', /Choose/],
    ["safetensors:f61", '"f61" is no type of safetensors. Did you mean f16?', /f32, f16, bf16, copy/],
  ])("--to %s is refused with what is near", async (target, message, hint) => {
    const { status, err } = await requant("plan", hf, "--to", target, "--json");
    expect({ status, ...JSON.parse(err).error }).toMatchObject({
      status: 2,
      code: "USAGE",
      message,
      hint: expect.stringMatching(hint),
    });
  });

  it.each(["--tensor=attn=q9_9", "--output-tensor=q9_9", "--token-embedding=q9_9"])(
    "%s is wrong usage, with the nearest type",
    async (option) => {
      const { status, err } = await requant("plan", hf, "--to", "gguf:q4_0", option);
      expect({ status, err }).toEqual({
        status: 2,
        err: expect.stringContaining('requant: "Q9_9" is not a ggml tensor type. Did you mean Q8_0?\n'),
      });
    },
  );
});

describe("outputs", () => {
  it.skipIf(!isBuilt).each(["-", "/dev/stdout"])("%s is standard output", (output) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [builtCommand, "convert", hf, output, "--to", "q8_0"],
      { cwd: folder, maxBuffer: 64 * 1024 * 1024 },
    );
    expect(status).toBe(0);
    expect(stdout.equals(readFileSync(q8))).toBe(true);
    const text = stderr.toString();
    expect(text).toContain(
      "note: Standard output cannot be read back, so what is written is not compared.\n",
    );
    expect(text).toMatch(/^output +standard output$/m);
    expect(existsSync(at("-"))).toBe(false);
  });

  it("- takes a safetensors file, where the output is one", async () => {
    const source = at("alone/model.safetensors");
    cpSync(join(hf, "model.safetensors"), source);
    const pieces: Uint8Array[] = [];
    const streams = {
      out: {
        write: (data: string | Uint8Array, done?: (error?: Error | null) => void) => {
          pieces.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
          done?.();
        },
      },
      err: { write: () => {} },
    };
    expect(await main(["convert", source, "-", "--to", "safetensors:f32", "--quiet"], streams)).toBe(0);
    expect(await requant("convert", source, at("file"), "--to", "safetensors:f32")).toMatchObject({
      status: 0,
    });
    expect(Buffer.concat(pieces).equals(readFileSync(at("file/model.safetensors")))).toBe(true);
  });

  it.each([
    [["-", "--to", "gptq:4bit"], 2, /^requant: gptq:4bit makes 6 files \(model\.safetensors, /],
    [["-", "--to", "q8_0", "--json"], 2, /The report and the model would both be written/],
    [["-", "--to", "q8_0", "--resume"], 2, /only be resumed where files are written in place/],
    [["", "--to", "q8_0"], 2, /^requant: The name of the output is empty\.\n/],
    [["out.gguf", "--to", "safetensors:f16"], 2, /"out\.gguf" is the name of a file\.\n {2}Leave \.gguf out/],
    [["out.safetensors", "--to", "gptq:4bit"], 2, /"out\.safetensors" is the name of a file/],
    [
      ["/dev/null", "--to", "q8_0"],
      4,
      /^requant: The output is a device, a pipe or a socket\. \(\/dev\/null\)/,
    ],
  ])("convert %j is refused by name", async (args, status, message) => {
    const result = await requant("convert", hf, ...args);
    const text = args.includes("--json") ? JSON.parse(result.err).error.message : result.err;
    expect({ status: result.status, out: result.out }).toEqual({ status, out: "" });
    expect(text).toMatch(message);
    expect(existsSync("out.gguf") || existsSync("out.safetensors") || existsSync("-")).toBe(false);
  });

  it("does not print a model on a terminal", async () => {
    let err = "";
    const streams = {
      out: { write: () => {}, isTTY: true },
      err: {
        write: (text: string) => {
          err += text;
        },
      },
    };
    expect(await main(["convert", hf, "-", "--to", "q8_0"], streams)).toBe(2);
    expect(err).toContain("Standard output is a terminal");
  });

  it("keeps the name as it is given, and shows where it is", async () => {
    const file = at("UPPER.GGUF");
    const { status, out } = await requant("convert", hf, file, "--to", "q8_0");
    expect(status).toBe(0);
    expect(existsSync(file)).toBe(true);
    expect(unwrapped(out)).toContain(`output ${file} weights`);
    const directory = await requant("convert", hf, `${at("floats")}/`, "--to", "safetensors:f16");
    expect(unwrapped(directory.out)).toContain(`output ${at("floats")}/{`);
  });

  it("says what keeps it from writing, in the words of the contract", async () => {
    writeFileSync(at("a-file"), "");
    mkdirSync(at("a-folder.gguf"));
    symlinkSync(at("loop"), at("loop"));
    const cases: (readonly [string, string, RegExp])[] = [
      [
        at("a-file/x.gguf"),
        "q8_0",
        /a file of this name is in the way, where a directory is needed\..*\n {2}Choose/,
      ],
      [at("a-file/b/x"), "safetensors:f16", /a part of the path is a file, not a directory\..*\n {2}Choose/],
      ...(process.platform === "linux"
        ? ([["/proc/no-such/x.gguf", "q8_0", /no such file or directory\..*\n {2}Check the path/]] as const)
        : []),
      [at("n".repeat(300)), "q8_0", /the name is too long\..*\n {2}Choose a shorter name\./],
      [at("loop/x.gguf"), "q8_0", /symbolic link/],
      [
        q8,
        "q8_0",
        /The output exists already\..*\n {2}Choose another name, or give --overwrite to replace it\./,
      ],
    ];
    for (const [output, target, message] of cases) {
      const { status, out, err } = await requant("convert", hf, output, "--to", target);
      expect({ output, status, out }).toEqual({ output, status: 4, out: "" });
      expect(err).toMatch(message);
      expect(err).not.toMatch(/\bE[A-Z]{3,}\b/);
    }
  });

  it.skipIf(!isBuilt || process.platform !== "linux")("too many open files are input or output, too", () => {
    const answers = [20, 21, 22, 23, 24, 25, 26].flatMap((limit) => {
      const { status, stderr } = spawnSync(
        "sh",
        ["-c", `ulimit -n ${limit}; exec "$@"`, "sh", process.execPath, builtCommand, ...toFile(limit)],
        { encoding: "utf8" },
      );
      // with fewer still, Node itself does not start
      return stderr.includes('{"error"') ? [{ status, code: JSON.parse(stderr).error.code }] : [];
    });
    expect(answers).not.toEqual([]);
    for (const answer of answers) expect(answer).toEqual({ status: 4, code: "IO" });
  });

  const toFile = (limit: number): string[] => ["convert", hf, at(`${limit}.gguf`), "--to", "q8_0", "--json"];
});

describe("sizes", () => {
  it.each([
    [["choose", "--parameters", "8B", "--memory", "8"], "8"],
    [["plan", hf, "--to", "q8_0", "--shard-size", "5"], "5"],
    [["split", q8, "out", "--max-size", "1000000"], "1000000"],
  ])("%j has no unit", async (argv, size) => {
    const { status, out, err } = await requant(...argv);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toBe(
      `requant: The size "${size}" has no unit.\n  Write ${size}G or ${size}GiB, for example; the units are B (bytes), K, M, G, T or KB, MB, GB, TB (powers of 1000), or KiB, MiB, GiB, TiB (powers of 1024).\n`,
    );
  });

  it.each([
    ["5G", 5_000_000_000],
    ["5GB", 5_000_000_000],
    ["5GiB", 5_368_709_120],
    ["4.5 gb", 4_500_000_000],
    ["7000000000B", 7_000_000_000],
  ])("%s is %d bytes", async (size, bytes) => {
    const { status, out } = await requant("choose", "--parameters", "8B", "--memory", size, "--json");
    expect({ status, memory: JSON.parse(out).memory }).toEqual({ status: 0, memory: bytes });
  });

  it.each(["G", "5X", "-5G", "0G", "5GBB", "1e9B"])("%s is no size", async (size) => {
    const { status, err } = await requant("choose", "--parameters", "8B", `--memory=${size}`);
    expect(status).toBe(2);
    expect(err).toContain(`"${size}" is not a size.`);
  });
});

describe("verify", () => {
  it("ends with a total, and names no first difference where all weights differ", async () => {
    const { status, out } = await requant("verify", hf, q8);
    const lines = out.trimEnd().split("\n");
    expect(status).toBe(1);
    expect(lines.at(-1)).toMatch(
      /^total: 7 of 30 tensors equal; the largest relative RMSE is 0\.55\d % \(blk\.\d\.\w+\.weight\)\. The models differ\.$/,
    );
    expect(lines[0]).toMatch(/^tensor +encodings +max abs +rmse +relative +SQNR dB +differ$/);
    expect(lines.filter((line) => line.endsWith("100 %"))).toHaveLength(23);
  });

  it("prints no rows where the tolerance holds, whether 0.01 or 1%", async () => {
    for (const tolerance of ["0.01", "1%"]) {
      const { status, out } = await requant("verify", hf, q8, "--tolerance", tolerance);
      expect(status).toBe(0);
      expect(out).toMatch(/^total: 7 of 30 .*\. All differences are within the tolerance of 1\.00 %\.\n$/);
    }
  });

  it("says that equal models are", async () => {
    expect(await requant("verify", q8, q8)).toMatchObject({
      status: 0,
      out: "total: 30 of 30 tensors equal. The models hold the same weights.\n",
    });
  });
});

describe("convert", () => {
  it("reports the relative error beside the absolute one, as verify measures it", async () => {
    const converted = await requant("convert", hf, at("again.gguf"), "--to", "q8_0", "--json");
    const verified = await requant("verify", hf, at("again.gguf"), "--json");
    const measured = new Map<string, number>(
      JSON.parse(verified.out).tensors.map((one: { name: string; relativeRmse: number }) => [
        one.name,
        one.relativeRmse,
      ]),
    );
    const told: { name: string; rmse?: number; relativeRmse?: number }[] = JSON.parse(converted.out).tensors;
    const changed = told.filter(({ rmse }) => rmse !== undefined);
    expect(changed).toHaveLength(23);
    for (const { name, relativeRmse = 0 } of changed)
      expect(relativeRmse / (measured.get(name) ?? 0)).toBeCloseTo(1, 4);
    const packedReport = JSON.parse(
      (await requant("convert", hf, at("packed-again"), "--to", "gptq:4bit-128g-sym", "--json")).out,
    );
    const against = JSON.parse((await requant("verify", hf, packed, "--json")).out).tensors;
    for (const { name, relativeRmse } of packedReport.tensors.filter(
      ({ rmse }: { rmse?: number }) => rmse !== undefined,
    )) {
      const other = against.find((one: { name: string }) => one.name === name);
      expect(relativeRmse / other.relativeRmse).toBeCloseTo(1, 4);
    }
  });

  it.each(["gptq:4bit-32g-sym", "awq:gemm-32g", "exl2:6bpw-h6", "compressed-tensors:4bit-32g-sym"])(
    "%s says once that codes are rounded to the nearest, in the plan and in the report",
    async (target) => {
      const plan = JSON.parse((await requant("plan", tiny, "--to", target, "--json")).out);
      const notes = plan.notes.filter(({ code }: { code: string }) => code === "rounded-to-nearest");
      expect(notes).toEqual([
        expect.objectContaining({
          severity: "note",
          message: expect.stringMatching(/^\d+ weights get new codes as .*without calibration data/),
        }),
      ]);
      const text = unwrapped((await requant("plan", tiny, "--to", target)).out);
      expect(text.match(/note: \d+ weights get new codes/g)).toHaveLength(1);
    },
  );

  it("says nothing of rounding where nothing is rounded", async () => {
    const { out } = await requant("plan", packed, "--to", "compressed-tensors:4bit-128g-sym", "--json");
    expect(JSON.parse(out).fidelity.requantized).toBe(0);
    expect(out).not.toContain("rounded-to-nearest");
  });

  it("does not offer the target that --exact has just refused", async () => {
    const { status, err } = await requant("plan", hf, "--to", "gguf:q4_0", "--exact", "--json");
    expect({ status, hint: JSON.parse(err).error.hint }).toEqual({
      status: 5,
      hint: "Choose a target that holds the source's values, or leave out --exact.",
    });
  });
});

describe("dump", () => {
  it.each([
    ["blk.0.atn_q.weight", 'There is no tensor "blk.0.atn_q.weight". Did you mean blk.0.attn_q.weight?'],
    [
      "model.layers.0.self_atn.q_proj.weight",
      'There is no tensor "model.layers.0.self_atn.q_proj.weight". Did you mean model.layers.0.self_attn.q_proj.weight?',
    ],
    ["no.such.thing", 'There is no tensor "no.such.thing".'],
    ["blk.9.*", 'No tensor matches "blk.9.*".'],
  ])("%s is answered with the nearest name", async (name, message) => {
    const { status, err } = await requant("dump", q8, name, "--json");
    expect({ status, message: JSON.parse(err).error.message }).toEqual({ status: 3, message });
  });

  it("lists the names that a pattern matches, and shows the only one", async () => {
    const { status, out } = await requant("dump", q8, "blk.0.attn_?.weight");
    expect(status).toBe(0);
    expect(out).toBe(
      [
        "tensor                 shape",
        "blk.0.attn_k.weight  128×256",
        "blk.0.attn_q.weight  256×256",
        "blk.0.attn_v.weight  128×256",
        "",
        "3 tensors; name one to see its values.",
        "",
      ].join("\n"),
    );
    expect(await requant("dump", q8, "*.0.*_q.*")).toEqual(await requant("dump", q8, "blk.0.attn_q.weight"));
    const refused = await requant("dump", q8, "blk.0.*", "--out", at("x.npy"));
    expect(refused).toMatchObject({ status: 2, err: expect.stringContaining('9 tensors match "blk.0.*"') });
  });

  it("takes either side's names, with that side's order of rows", async () => {
    const f32 = at("f32.gguf");
    await requant("convert", hf, f32, "--to", "gguf:f32");
    const pairs = [
      [hf, f32, "model.layers.1.self_attn.q_proj.weight"],
      [f32, hf, "blk.1.attn_q.weight"],
      [f32, hf, "output_norm.weight"],
    ] as const;
    for (const [own, other, name] of pairs) {
      const [a, b] = [at("own.npy"), at("other.npy")];
      for (const [model, file] of [
        [own, a],
        [other, b],
      ] as const)
        expect(await requant("dump", model, name, "--out", file, "--overwrite")).toMatchObject({ status: 0 });
      expect({ name, equal: readFileSync(a).equals(readFileSync(b)) }).toEqual({ name, equal: true });
    }
  });

  it.each(["x.csv", "x", ".npy", "x.npz"])("--out %s is refused: it writes .npy", async (file) => {
    const { status, err } = await requant("dump", q8, "output_norm.weight", "--out", file);
    expect({ status, err }).toEqual({
      status: 2,
      err: `requant: The option --out writes a NumPy array, and "${file}" does not end in .npy.\n  Give a name that ends in .npy; no other kind of file is written.\n`,
    });
    expect(existsSync(file)).toBe(false);
  });
});

describe("remedies", () => {
  /** The float model with one more tensor, of four floats. */
  const withTensor = (name: string): string => {
    const place = at(`with-${name}`);
    cpSync(hf, place, { recursive: true });
    const bytes = readFileSync(join(hf, "model.safetensors"));
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, end).toString());
    const size = bytes.byteLength - end;
    header[name] = { dtype: "F32", shape: [4], data_offsets: [size, size + 16] };
    writeFileSync(
      join(place, "model.safetensors"),
      safetensors(header, [bytes.subarray(end), Buffer.alloc(16)]),
    );
    return place;
  };
  const safetensors = (header: object, data: readonly Buffer[]): Buffer => {
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.byteLength));
    return Buffer.concat([length, text, ...data]);
  };
  const hintOf = async (...argv: string[]): Promise<string> => {
    const { err } = await requant(...argv, "--json");
    return JSON.parse(err).error.hint;
  };

  it("repeat a download only where bytes are missing", async () => {
    const file = at("layout.safetensors");
    const tensor = { dtype: "F32", shape: [2] };
    const layout = (first: number[], second: number[], bytes: number): void =>
      writeFileSync(
        file,
        safetensors({ a: { ...tensor, data_offsets: first }, b: { ...tensor, data_offsets: second } }, [
          Buffer.alloc(bytes),
        ]),
      );
    layout([0, 8], [8, 16], 12);
    expect(await hintOf("inspect", file)).toMatch(/[Dd]ownload it again/);
    layout([0, 8], [12, 20], 20);
    expect(await hintOf("inspect", file)).not.toMatch(/[Dd]ownload/);
    layout([0, 8], [4, 12], 12);
    expect(await hintOf("inspect", file)).not.toMatch(/[Dd]ownload/);
    writeFileSync(at("no-model.gguf"), "this is no model at all");
    expect(await hintOf("inspect", at("no-model.gguf"))).not.toMatch(/[Dd]ownload/);
  });

  it("offer a reference for weights, and not for scales", async () => {
    expect(await hintOf("plan", withTensor("model.new.weight"), "--to", "q8_0")).toContain("--like FILE");
    const hint = await hintOf("plan", withTensor("model.new.weight_scale_inv"), "--to", "q8_0");
    expect(hint).toMatch(/^It is neither a weight nor a bias\./);
    expect(hint).not.toContain("--like");
  });

  it("point MXFP4 at the type that keeps it", async () => {
    const file = at("mxfp4.gguf");
    await requant("convert", hf, file, "--to", "gguf:q4_0", "--tensor", "weight=mxfp4");
    expect(await hintOf("plan", file, "--to", "q4_k_m")).toBe(
      "Choose gguf:mxfp4_moe, which keeps it as it is; or start from a float model, if there is one, or give --allow-requantize.",
    );
  });
});

describe("colours and widths", () => {
  const words = async (isTTY: boolean, environment: NodeJS.ProcessEnv, columns?: number): Promise<string> => {
    const before = { ...process.env };
    Object.assign(process.env, { NO_COLOR: "", COLUMNS: "" }, environment);
    let text = "";
    const write = (data: string | Uint8Array): void => {
      text += String(data);
    };
    await main(["verify", hf, q8], { out: { write, isTTY, columns }, err: { write, isTTY: false } });
    process.env = before;
    return text;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const COLOR = /\u001b\[\d+m/;

  it("are for terminals alone, and not under NO_COLOR", async () => {
    expect(await words(true, {})).toMatch(COLOR);
    expect(await words(true, { NO_COLOR: "1" })).not.toMatch(COLOR);
    expect(await words(false, {})).not.toMatch(COLOR);
  });

  it("fit the terminal, or COLUMNS, or 80", async () => {
    const widest = (text: string): number =>
      text
        .split("\n")
        .filter((line) => !line.startsWith("total"))
        .reduce((most, line) => Math.max(most, line.length), 0);
    expect(widest(await words(false, {}))).toBeLessThanOrEqual(80);
    expect(widest(await words(false, { COLUMNS: "70" }))).toBeLessThanOrEqual(70);
    expect(widest(await words(true, { NO_COLOR: "1" }, 65))).toBeLessThanOrEqual(65);
    for (const argv of [
      ["plan", hf, "--to", "gptq:4bit-128g-sym"],
      ["choose", "--parameters", "8B"],
      ["inspect", packed, "--tensors"],
    ])
      expect({ argv, width: widest((await requant(...argv)).out) }).toEqual({
        argv,
        width: expect.toSatisfy((width: number) => width <= 80),
      });
  });

  it("one is singular", async () => {
    const file = at("cut.gguf");
    writeFileSync(file, readFileSync(q8).subarray(0, 1000));
    expect((await requant("doctor", file)).out).toMatch(/: 1 error, 0 warnings \(1 file, 0 tensors/);
  });
});

it.skipIf(!isBuilt)("the built command answers the same", () => {
  expect(execFileSync(process.execPath, [builtCommand, "version"], { encoding: "utf8" })).toBe(
    `${VERSION}\n`,
  );
  const { status, stderr } = spawnSync(process.execPath, [builtCommand, "inspct"], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/^requant: There is no command "inspct"\. Did you mean inspect\?\n/),
  });
});
