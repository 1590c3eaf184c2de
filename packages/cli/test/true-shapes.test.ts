/** The built command on real vocabularies: the memory of the whole process. `pnpm true-shapes` does it at full size. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeUsage } from "../../../bench/child-process.ts";
import { commandMemoryBound, convertMemoryBound } from "../../../fixtures/memory-bounds.ts";
import { llamaShape, makeTrueShape, mixtureShape } from "../../../fixtures/true-shapes.ts";

const command = fileURLToPath(new URL("../dist/bin.js", import.meta.url));

const llama = llamaShape("llama", { hidden: 1024, feedForward: 3584, layers: 2, heads: 8, shardCount: 2 });
const mixture = mixtureShape("mixture", {
  hidden: 256,
  expertWidth: 128,
  experts: 128,
  layers: 8,
  heads: 4,
  shardCount: 2,
});
/** Its largest matrices take 67 MB as f32, and as codes in bytes 17 MB more. */
const wide = llamaShape("wide", { hidden: 2048, feedForward: 8192, layers: 1, heads: 16, shardCount: 1 });

describe.skipIf(!existsSync(command))("memory with real vocabularies (skipped: not built)", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "requant-true-shapes-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("the mixture has some 3,000 tensors", () => {
    expect(mixture.tensors.length).toBe(8 * (9 + 3 * 128) + 3);
  });

  it("EXL2 keeps no matrix in memory as a whole", async () => {
    const { path } = makeTrueShape(folder, wide);
    const given = ["convert", path, join(folder, "wide-exl2"), "--to", "exl2:4bpw-h16", "--jobs", "2"];
    const { peakBytes } = await nodeUsage(command, given);
    expect(peakBytes).toBeLessThanOrEqual(convertMemoryBound(2));
  });

  describe.each([
    ["128,256 tokens", llama],
    ["151,936 tokens and 3,147 tensors", mixture],
  ])("%s", (_, shape) => {
    let path = "";
    beforeAll(() => {
      path = makeTrueShape(folder, shape).path;
    });

    it.each([[["inspect"]], [["plan", "--to", "gguf:q4_k_m"]], [["doctor", "--quick"]]])(
      "%j stays within the bound of commands that read headers",
      async ([name = "", ...options]) => {
        const { peakBytes } = await nodeUsage(command, [name, path, ...options]);
        expect(peakBytes).toBeLessThanOrEqual(commandMemoryBound);
      },
    );

    it.each([
      ["q8_0", 1],
      ["q4_k_m", 2],
    ])("convert to %s with %i workers stays within 150 MB and 60 MB a worker", async (type, jobs) => {
      const output = join(folder, `${shape.name}-${type}.gguf`);
      const options = ["--to", `gguf:${type}`, "--jobs", String(jobs)];
      const { peakBytes } = await nodeUsage(command, ["convert", path, output, ...options]);
      expect(peakBytes).toBeLessThanOrEqual(convertMemoryBound(jobs));
    });
  });
});
