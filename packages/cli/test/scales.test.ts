/** Scales per input channel on the command line: what lies beside the output, and what is told. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerInputs, statisticsStore } from "../../convert/test/calibration-inputs.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const MODEL = "model.safetensors";

let folder = "";
let calibrate: readonly string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-scales-"));
  const inputs = new Map([["blk.0.attn_q.weight", layerInputs(300, 256, 11)]]);
  const { files } = await statisticsStore(inputs, { "blk.0.attn_k.weight": "blk.0.attn_q.weight" });
  await writeFile(join(folder, "stats.safetensors"), files.get("stats.safetensors") ?? "");
  calibrate = ["--to", "awq:gemm-128g", "--calibrate", join(folder, "stats.safetensors")];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("convert --to awq --calibrate", () => {
  it("folds scales in, says so, and leaves no working file", async () => {
    const { status, out, err } = await requant("convert", hf, join(folder, "out"), ...calibrate, "--json");
    expect({ status, err }).toMatchObject({ status: 0 });
    const report = JSON.parse(out) as { readonly notes: readonly { readonly code: string }[] };
    expect(report.notes.map(({ code }) => code)).toContain("folded-scales");
    expect((await readdir(folder)).sort()).toEqual(["out", "stats.safetensors"]);
    expect(await readdir(join(folder, "out"))).toContain(MODEL);
  }, 60_000);

  it("refuses an output that exists before it searches", async () => {
    const { status, err } = await requant("convert", hf, join(folder, "out"), ...calibrate);
    expect(status).not.toBe(0);
    expect(err).toContain("exists");
    expect(await readdir(folder)).not.toContain(".out.scales.safetensors");
  });

  it("plan tells that scales are searched later", async () => {
    const { status, out } = await requant("plan", hf, ...calibrate, "--json");
    expect(status).toBe(0);
    const report = JSON.parse(out) as { readonly notes: readonly { readonly code: string }[] };
    expect(report.notes.map(({ code }) => code)).toContain("unscaled");
  });

  it("fake quantization is that of the converted model", async () => {
    const fake = await requant("fake-quantize", hf, join(folder, "fake"), ...calibrate);
    // as the conversion warns, whose values these are
    expect(fake.err).toMatch(/^warning: The calibration statistics have no entry for 19 weights .*\n$/);
    expect(fake.status).toBe(0);
    const back = await requant(
      "convert",
      join(folder, "out"),
      join(folder, "back"),
      "--to",
      "safetensors:f32",
    );
    expect(back.status).toBe(0);
    const [made, seen] = await Promise.all(
      ["back", "fake"].map((name) => requant("hash", join(folder, name), "--values", "--json")),
    );
    expect(made?.status).toBe(0);
    const valuesOf = (text = "{}"): unknown => (JSON.parse(text) as { readonly tensors?: unknown }).tensors;
    expect(valuesOf(seen?.out)).toEqual(valuesOf(made?.out));
    expect((await readFile(join(folder, "fake", MODEL))).byteLength).toBeGreaterThan(0);
  }, 60_000);
});
