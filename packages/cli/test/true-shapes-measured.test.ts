/**
 * The built command runs models of real vocabularies over a text: the memory of the whole process, and that the results are numbers.
 * The models are random, so that any right perplexity is about the size of the vocabulary.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { calibrationText } from "@requant/calibration-text";
import { memorySource } from "@requant/core";
import { readImatrix } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeUsage } from "../../../bench/child-process.ts";
import { isLongRun, needsLongRun } from "../../../fixtures/long-tests.ts";
import { measureMemoryBound } from "../../../fixtures/memory-bounds.ts";
import { llamaShape, makeTrueShape, mixtureShape } from "../../../fixtures/true-shapes.ts";
import { requant } from "./run.ts";

const command = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
const hidden = 256;
const llama = llamaShape("llama", { hidden, feedForward: 512, layers: 2, heads: 8, shardCount: 1 });
const mixture = mixtureShape("mixture", {
  hidden,
  expertWidth: 128,
  experts: 128,
  layers: 2,
  heads: 4,
  shardCount: 1,
});

describe.skipIf(!existsSync(command))("measuring with real vocabularies (skipped: not built)", () => {
  let folder = "";
  const at = (name: string): string => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "requant-measured-"));
    writeFileSync(at("text.txt"), calibrationText);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe.each([
    ["128,256 tokens", llama, 128_256, true],
    [`151,936 tokens and 128 experts (${needsLongRun})`, mixture, 151_936, isLongRun],
  ] as const)("%s", (_, shape, vocabulary, isRun) => {
    let path = "";
    beforeAll(() => {
      if (isRun) path = makeTrueShape(folder, shape, { everywhere: true }).path;
    });
    const peak = async (...argv: string[]): Promise<number> =>
      (await nodeUsage(command, [...argv, "--jobs", "2"])).peakBytes;

    it.runIf(isRun)(
      "evaluate stays within 350 MB, 192 MiB, its head in f32 and 64 MiB of logits",
      async () => {
        const options = ["evaluate", path, "--text", at("text.txt"), "--chunks", "2"];
        expect(await peak(...options)).toBeLessThanOrEqual(measureMemoryBound({ vocabulary, hidden }));
        const { out } = await requant(...options, "--window", "8", "--json");
        const { perplexity, tokens } = JSON.parse(out);
        expect(tokens).toBe(6);
        // the logarithm of a random model's perplexity is near that of the vocabulary
        expect(Math.abs(Math.log(perplexity) / Math.log(vocabulary) - 1)).toBeLessThan(0.2);
      },
    );

    it.runIf(isRun)(
      "imatrix, calibrate and convert --calibrate stay within 350 MB and 192 MiB",
      async () => {
        const bound = measureMemoryBound(undefined);
        const matrix = at(`${shape.name}.imatrix.gguf`);
        const text = ["--text", "builtin"];
        expect(await peak("imatrix", path, ...text, "--chunks", "2", "-o", matrix)).toBeLessThanOrEqual(
          bound,
        );
        const { entries, chunkCount } = await readImatrix(memorySource(readFileSync(matrix), matrix));
        expect(chunkCount).toBe(2);
        for (const { sums } of entries.values()) expect(sums.every(Number.isFinite)).toBe(true);
        const statistics = at(`${shape.name}.safetensors`);
        const made = ["calibrate", path, ...text, "--samples", "4", "-o", statistics];
        expect(await peak(...made)).toBeLessThanOrEqual(bound);
        const target = ["--to", "gptq:4bit-128g-sym", "--calibrate", "builtin", "--samples", "4"];
        expect(await peak("convert", path, at(`${shape.name}-gptq`), ...target)).toBeLessThanOrEqual(bound);
      },
      300_000,
    );
  });
});
