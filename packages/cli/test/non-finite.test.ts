/** What the command line says of weights that are not finite, and leaves of the output. Oracle: the value planted, and where. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { F32 } from "@requant/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ggufBytes, pseudoWeights } from "../../convert/test/tiny-gguf.ts";
import { spellOptions } from "../src/render/options.ts";
import { requant } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-non-finite-"));
const source = join(folder, "source.gguf");
const out = join(folder, "out", "x.gguf");
const UP = "blk.0.ffn_up.weight";

beforeAll(async () => {
  const values = pseudoWeights(4 * 256, 1);
  values[519] = Number.NaN;
  writeFileSync(source, await ggufBytes([{ name: UP, shape: [4, 256], values }], { codec: F32 }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a NaN in the source", () => {
  it.each([[[]], [["--no-verify"]], [["--jobs", "1"]], [["--jobs", "2"]], [["--resume"]]])(
    "ends the conversion with status 5 %j",
    async (options) => {
      const { status, err } = await requant(
        "convert",
        source,
        out,
        "--to",
        "gguf:q4_0",
        "--json",
        ...options,
      );
      expect(status).toBe(5);
      const { error } = JSON.parse(err.trim().split("\n").at(-1) ?? "");
      expect(error).toMatchObject({
        code: "CONVERSION",
        reason: "non-finite",
        path: "source.gguf",
        tensor: UP,
        index: 519,
        offset: expect.any(Number),
        message: expect.stringContaining("Weight 519 [2, 7]"),
        hint: expect.stringMatching(
          /^Give this tensor the type BF16 or F32 with --tensor '\^blk.*=bf16', or allow such weights with --allow-non-finite\.$/,
        ),
      });
      expect(readdirSync(folder)).toEqual(["source.gguf"]);
    },
  );

  it("goes through where it is allowed, and where the tensor has the type that the hint names", async () => {
    const pattern = "^blk\\.0\\.ffn_up\\.weight$=bf16";
    for (const [options, firstStored] of [
      [["--allow-non-finite"], expect.anything()],
      [["--tensor", pattern], "NaN"],
    ] as const) {
      const { status, out: text } = await requant(
        ...["convert", source, out, "--to", "gguf:q4_0", "--json", "--overwrite", ...options],
      );
      expect(status).toBe(0);
      const report = JSON.parse(text);
      expect(report.tensors[0].nonFinite).toMatchObject({ inSource: 1, firstIndex: 519, firstStored });
      expect(report.warnings).toContainEqual(expect.objectContaining({ code: "nan-weights", tensor: UP }));
    }
    const { err } = await requant("convert", source, out, "--to", "gguf:bf16", "--overwrite");
    expect(err).toContain(`warning: Weights of ${UP} are NaN or infinite: 1 not finite in the source.`);
  });

  it("is named by doctor", async () => {
    const { status, out: text } = await requant("doctor", source, "--json");
    expect(status).toBe(1);
    expect(JSON.parse(text).findings).toContainEqual(
      expect.objectContaining({ code: "nan-weights", tensor: UP }),
    );
  });
});

describe("hints", () => {
  it("spell options as the command line has them, and leave other words", () => {
    expect(spellOptions("Do it with `allowNonFinite`, or the option toString.")).toBe(
      "Do it with --allow-non-finite, or the option toString.",
    );
  });
});
