/** `--to` with several targets on the command line. The oracle is the output of one command for each target. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-several-cli-"));
const out = join(folder, "out");

beforeAll(async () => {
  const result = await requant("convert", hf, out, "--to", "gguf:q8_0,q4_0,safetensors:f16", "--json");
  expect(result, result.err).toMatchObject({ status: 0 });
  writeFileSync(join(folder, "report.json"), result.out);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sumOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

interface Reports {
  readonly targets: readonly {
    readonly target: { readonly text: string; readonly files: readonly { readonly name: string }[] };
    readonly tensors: readonly { readonly name: string; readonly to: string; readonly rmse?: number }[];
    readonly byteLength: number;
    readonly warnings: readonly unknown[];
    readonly notes: readonly unknown[];
    readonly fidelity: Readonly<Record<string, number>>;
  }[];
  readonly shared: { readonly bytesRead: number; readonly bytesReadAlone: number };
  readonly seconds: number;
}

describe("convert with several targets", () => {
  it("writes GGUF files side by side and a folder for each other target, as commands for each would", async () => {
    expect(readdirSync(out).sort()).toEqual(["hf-Q4_0.gguf", "hf-Q8_0.gguf", "safetensors-f16"]);
    for (const [target, made, own] of [
      ["gguf:q8_0", "hf-Q8_0.gguf", "alone.gguf"],
      ["gguf:q4_0", "hf-Q4_0.gguf", "alone-q4.gguf"],
      ["safetensors:f16", "safetensors-f16/model.safetensors", "alone/model.safetensors"],
    ] as const) {
      const output = join(folder, own.split("/")[0] ?? "");
      expect(await requant("convert", hf, output, "--to", target)).toMatchObject({ status: 0 });
      expect(sumOf(join(out, made)), target).toBe(sumOf(join(folder, own)));
    }
  });

  it("reports each target, and what one reading shares", () => {
    const { targets, shared, seconds }: Reports = JSON.parse(
      readFileSync(join(folder, "report.json"), "utf8"),
    );
    expect(targets.map(({ target }) => target.text)).toEqual(["gguf:q8_0", "gguf:q4_0", "safetensors:f16"]);
    expect(targets.map(({ target }) => target.files[0]?.name)).toEqual([
      "hf-Q8_0.gguf",
      "hf-Q4_0.gguf",
      "safetensors-f16/model.safetensors",
    ]);
    for (const { tensors, fidelity } of targets) {
      expect(tensors).toHaveLength(30);
      expect(Object.values(fidelity).reduce((sum, count) => sum + count)).toBe(30);
    }
    expect(targets[1]?.tensors.find(({ name }) => name === "blk.0.ffn_up.weight")?.rmse).toBeGreaterThan(0);
    // 2 bytes for each of the weights of the model, of which q and k of both layers are in another order in a GGUF
    const file = JSON.parse(readFileSync(join(hf, "config.json"), "utf8")) as Record<string, number>;
    const [hidden = 0, heads = 1, kv = 1, layers = 0] = [
      file["hidden_size"],
      file["num_attention_heads"],
      file["num_key_value_heads"],
      file["num_hidden_layers"],
    ];
    const permuted = layers * (hidden + (hidden / heads) * kv) * hidden * 2;
    expect(shared.bytesRead - shared.bytesReadAlone / 3).toBe(permuted);
    expect(seconds).toBeGreaterThan(0);
  });

  it("says what was saved", async () => {
    const result = await requant("convert", hf, join(folder, "text"), "--to", "q8_0,gguf:q4_0,f16");
    expect(result, result.err).toMatchObject({ status: 0 });
    expect(result.out).toMatch(/reading {2}4\.\d+ MB once instead of 3 times: 9\.\d+ MB less/);
    expect(result.out).toContain("hf-F16.gguf");
  });

  it("says which targets do not use an importance matrix", async () => {
    const matrix = join(folder, "im.gguf");
    const text = resolve(hf, "../heldout.txt");
    const measured = ["--text", text, "--chunks", "1", "--window", "64", "-o", matrix, "--quiet"];
    expect(await requant("imatrix", hf, ...measured)).toMatchObject({ status: 0 });
    const warned = async (to: string): Promise<string[]> => {
      const { err } = await requant("plan", hf, "--to", to, "--imatrix", matrix);
      return err.split("\n").filter((line) => line.includes("changes nothing"));
    };
    const said = "--imatrix FILE changes nothing: no tensor gets a type that uses an importance matrix.";
    expect(await warned("gguf:q4_k_m,q8_0")).toEqual([`warning: gguf:q8_0: ${said}`]);
    expect(await warned("gguf:q4_k_m,q8_0,f16")).toEqual([`warning: gguf:q8_0, gguf:f16: ${said}`]);
    expect(await warned("gguf:q8_0,f16")).toEqual([`warning: ${said}`]);
  });

  it("plans without writing", async () => {
    const result = await requant("plan", hf, "--to", "q8_0,gguf:f16", "--json");
    const { targets, shared }: Reports = JSON.parse(result.out);
    expect(targets.map(({ target }) => target.text)).toEqual(["gguf:q8_0", "gguf:f16"]);
    expect(shared.bytesReadAlone).toBe(2 * shared.bytesRead);
    const shown = await requant("convert", hf, join(folder, "none"), "--to", "q8_0,gguf:f16", "--plan");
    expect(shown.out).toContain("once instead of 2 times");
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});

/** Refusals, by the arguments after `convert MODEL`. */
const refused: readonly (readonly [args: readonly string[], message: string])[] = [
  [
    ["x.gguf", "--to", "q8_0,q4_0"],
    'Several targets are written into a directory, and "x.gguf" is the name of a file.',
  ],
  [["-", "--to", "q8_0,q4_0"], "Standard output cannot hold the outputs of several targets."],
  [["o", "--to", "q8_0,gguf:q8_0"], "The target gguf:q8_0 is named twice."],
  [["o", "--to", "q8_0", "--to", "q4_0"], "The option --to <target> is given twice."],
  [
    ["o", "--to", "q8_0", "--shard-size", "5G", "--shard-size=6G"],
    "The option --shard-size <size> is given twice.",
  ],
  [["o", "--to", "q8_0,"], 'A target is missing after the last comma of "q8_0,".'],
  [["o", "--to", "q8_0,safetensors:f16", "--pure"], "The target safetensors does not take --pure."],
  [["o", "--to", "q8_0,gguf:auto", "--target-bpw", "4.5"], "gguf:q8_0"],
];

describe("several targets are refused", () => {
  it.each(refused)("%j", async (args, message) => {
    const [output = "", ...rest] = args;
    const path = output === "-" ? output : join(folder, output);
    const result = await requant("convert", hf, path, ...rest, "--json");
    expect(result.status).toBe(2);
    expect(JSON.parse(result.err).error.message).toContain(message);
    expect(existsSync(join(folder, "o"))).toBe(false);
  });

  it("by fake-quantize, which takes one", async () => {
    const result = await requant("fake-quantize", hf, join(folder, "o"), "--to", "q8_0,q4_0", "--json");
    expect(result.status).toBe(2);
    expect(JSON.parse(result.err).error.message).toBe(
      '"q8_0,q4_0" names several targets, and one is taken here.',
    );
  });

  it("where a calibrated one changes the model", async () => {
    const to = ["--to", "q8_0,awq:gemm-128g", "--calibrate", "builtin"];
    const result = await requant("plan", hf, ...to, "--json");
    expect(result.status).toBe(2);
    expect(
      JSON.parse(result.err.split("\n").filter((line) => line.startsWith("{"))[0] ?? "{}").error,
    ).toMatchObject({
      message:
        "A calibrated awq:gemm-128g searches scales that change the model, so it is not made together with other targets.",
      hint: "Convert to awq:gemm-128g by itself.",
    });
  });

  it("where one of their files is there already, before anything is written", async () => {
    const result = await requant("convert", hf, out, "--to", "gguf:f16,q8_0", "--json");
    expect(result.status).toBe(4);
    expect(readdirSync(out).sort()).toEqual(["hf-Q4_0.gguf", "hf-Q8_0.gguf", "safetensors-f16"]);
  });
});
