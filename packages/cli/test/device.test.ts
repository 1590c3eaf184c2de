/** `--device`. Oracle: the perplexity that the CPU computes, which measure.test.ts compares with llama-perplexity's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { missingAdapter } from "../../calibrate/test/webgpu-adapter.ts";
import { requant } from "./run.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv");
const folder = mkdtempSync(join(tmpdir(), "requant-device-"));
const text = join(folder, "text.txt");
writeFileSync(text, readFileSync(join(kjv, "heldout.txt"), "utf8").slice(0, 5000));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(missingAdapter !== undefined)(
  `webgpu (skipped where no adapter is: ${missingAdapter})`,
  () => {
    const perplexity = async (...options: string[]): Promise<number> => {
      const { status, out } = await requant(
        "evaluate",
        join(kjv, "hf"),
        ...["--text", text, "--window", "256", "--json"],
        ...options,
      );
      expect(status).toBe(0);
      return JSON.parse(out).perplexity;
    };

    it("has the perplexity of the CPU to 1e-5", async () => {
      const expected = await perplexity();
      expect(Math.abs((await perplexity("--device", "webgpu")) / expected - 1)).toBeLessThan(1e-5);
    });

    it("is named on stderr", async () => {
      const { err } = await requant(
        "calibrate",
        join(kjv, "hf"),
        ...["--text", text, "--samples", "1", "-o", join(folder, "stats.safetensors"), "--device", "webgpu"],
      );
      expect(err).toMatch(/^requant: The model runs on WebGPU \(.+\), and .+\.$/m);
    });
  },
);

describe("--device", () => {
  it("with another word is refused", async () => {
    expect(await requant("evaluate", kjv, "--text", text, "--device", "gpu")).toMatchObject({
      status: 2,
      err: expect.stringContaining("It must be cpu or webgpu."),
    });
  });

  it("without anything to run a model on is refused", async () => {
    const output = join(folder, "out.gguf");
    expect(
      await requant("convert", join(kjv, "hf"), output, "--to", "q8_0", "--device", "webgpu"),
    ).toMatchObject({
      status: 2,
      err: expect.stringContaining("The option --device is about a calibration text, and no text is given."),
    });
  });
});
