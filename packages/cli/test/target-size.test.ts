/**
 * Sizes that are asked for, and EXL2 with calibration statistics. Oracles: the sizes of the written files, the target that says the
 * same in a word, and for what is lost the divergence that `evaluate` finds between the outputs of whole models.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv");
const hf = join(kjv, "hf");
const text = join(kjv, "heldout.txt");
const folder = mkdtempSync(join(tmpdir(), "requant-sizes-"));
const at = (name: string): string => join(folder, name);
const statistics = at("stats.safetensors");
const sampling = ["--samples", "12", "--window", "128"];
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function done(...argv: string[]): Promise<string> {
  const { status, out, err } = await requant(...argv);
  expect(status, err).toBe(0);
  return out;
}

interface Planned {
  readonly byteLength: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly to: string;
    readonly byteLength: number;
  }[];
  readonly notes: readonly { readonly code: string; readonly message: string }[];
}

async function planned(...options: string[]): Promise<Planned> {
  return JSON.parse(await done("plan", hf, "--json", ...options));
}

function bitsOf({ tensors }: Planned): number {
  const weights = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return (8 * tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)) / weights;
}

/** What stands in the plan of each tensor. */
const choices = ({ tensors }: Planned): string[] =>
  tensors.map(({ name, to, byteLength }) => `${name} ${to} ${byteLength}`);

function sizeOf(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

/** The mean divergence from the source on a part of the text. */
async function divergence(model: string): Promise<number> {
  const options = ["--text", text, "--window", "128", "--chunks", "3", "--json"];
  return JSON.parse(await done("evaluate", model, "--base", hf, ...options)).kl;
}

beforeAll(async () => {
  await done("calibrate", hf, "--text", text, ...sampling, "-o", statistics);
}, 60_000);

describe("EXL2 with calibration statistics", () => {
  const calibrated = ["--to", "exl2:3bpw-h6", "--calibrate", statistics];

  it("loses less than by the weights alone, and says nothing of rounding", async () => {
    const report = JSON.parse(await done("convert", hf, at("calibrated"), ...calibrated, "--json"));
    await done("convert", hf, at("rounded"), "--to", "exl2:3bpw-h6");
    expect(await divergence(at("calibrated"))).toBeLessThan(0.7 * (await divergence(at("rounded"))));
    const codes = report.notes.map(({ code }: { code: string }) => code);
    expect(codes).not.toContain("rounded-to-nearest");
  }, 180_000);

  it("chooses other widths by the statistics, or by an importance matrix, than by the weights alone", async () => {
    await done("imatrix", "--merge", statistics, "-o", at("matrix.gguf"));
    const alone = choices(await planned("--to", "exl2:3bpw-h6"));
    expect(choices(await planned(...calibrated))).not.toEqual(alone);
    const guided = await planned("--to", "exl2:3bpw-h6", "--imatrix", at("matrix.gguf"));
    expect(choices(guided)).not.toEqual(alone);
  }, 60_000);

  it("plans with a text as with its statistics, and leaves no file", async () => {
    const before = readdirSync(folder);
    const given = ["--to", "exl2:3bpw-h6", "--calibrate", text, ...sampling];
    expect(choices(await planned(...given))).toEqual(choices(await planned(...calibrated)));
    expect(readdirSync(folder)).toEqual(before);
  }, 60_000);
});

describe("--target-bpw", () => {
  it("gives a GGUF of types whose sum is at most a thousandth smaller", async () => {
    const plan = await planned("--to", "gguf:auto", "--target-bpw", "4.164", "--calibrate", statistics);
    expect(bitsOf(plan)).toBeLessThanOrEqual(4.164);
    expect(bitsOf(plan)).toBeGreaterThan(0.999 * 4.164);
    expect(plan.notes).toContainEqual(
      expect.objectContaining({ code: "sized-types", message: expect.stringMatching(/\d+ × Q\d_K/) }),
    );
  }, 60_000);

  it("loses less with statistics: they choose the types, and the weights are solved", async () => {
    const sized = ["--to", "gguf:auto", "--target-bpw", "3.8"];
    await done("convert", hf, at("plain.gguf"), ...sized);
    await done("convert", hf, at("solved.gguf"), ...sized, "--calibrate", statistics);
    expect(await divergence(at("solved.gguf"))).toBeLessThan(0.7 * (await divergence(at("plain.gguf"))));
  }, 180_000);

  it("is, for EXL2, the word of the target", async () => {
    const sized = choices(await planned("--to", "exl2:auto-h8", "--target-bpw", "4.35"));
    expect(sized).toEqual(choices(await planned("--to", "exl2:4.35bpw-h8")));
  }, 60_000);
});

describe("--target-size", () => {
  it.each([
    ["gguf:auto", "1.39MB", 1_390_000, "sized.gguf"],
    ["exl2:auto", "1600kB", 1_600_000, "sized"],
  ])(
    "%s: the files of %s together are at most a thousandth smaller",
    async (target, size, bytes, name) => {
      await done("convert", hf, at(name), "--to", target, "--target-size", size);
      expect(sizeOf(at(name))).toBeLessThanOrEqual(bytes);
      expect(sizeOf(at(name))).toBeGreaterThan(0.999 * bytes);
    },
    60_000,
  );
});

describe("sizes that cannot be", () => {
  it.each([
    [["gguf:auto", "--target-size", "5"], 2, 'The size "5" has no unit.'],
    [["gguf:auto", "--target-bpw", "many"], 2, '"many" is not a number of bits per weight.'],
    [["gguf:auto", "--target-bpw", "4", "--target-size", "5GB"], 2, "ask for two sizes"],
    [["gguf:q4_0", "--target-bpw", "4"], 2, "with the target gguf:auto"],
    [["gguf:auto", "--target-bpw", "4.5", "--pure"], 2, "--pure asks for one type"],
    [["exl2:4bpw", "--target-bpw", "4"], 2, "with the target exl2:auto-h6"],
    [["exl2:auto"], 2, "Give --target-bpw or --target-size, or the bits: exl2:4.25bpw-h6."],
    [["exl2:auto-4bpw", "--target-bpw", "4"], 2, "The target says bits beside auto"],
    [["gptq:4bit-128g-sym", "--target-bpw", "4"], 2, "or choose a target of gguf or exl2."],
    [["exl2:auto", "--target-bpw", "9"], 5, "from 2 to 8.5 are possible"],
    [["exl2:auto", "--target-size", "1GB"], 5, /the largest possible is \d+ bytes/],
    [["exl2:auto", "--target-size", "1kB"], 5, /the smallest possible is \d+ bytes/],
    [["gguf:auto", "--target-bpw", "1"], 5, "the smallest possible is 2."],
  ])(
    "%j",
    async (given, status, message) => {
      const refused = await requant("plan", hf, "--to", ...given);
      expect(refused.status, refused.err).toBe(status);
      expect(refused.err.replace(/\s+/g, " ")).toMatch(message);
    },
    30_000,
  );

  it("fake-quantize, whose files are floats, has no such option", async () => {
    const refused = await requant("fake-quantize", hf, at("fake"), "--to", "gguf:auto", "--target-bpw", "4");
    expect(refused).toMatchObject({ status: 2, err: expect.stringContaining("--target-bpw") });
  });
});
