/**
 * Statistics of a text, layer by layer into a file. Oracles: `writeStatistics` of `@requant/calibrate` for the bytes of the file, an
 * uninterrupted run for a resumed one, and llama-imatrix's sums of squares (golden set) for the numbers.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openStatistics, wasmCompute, writeStatistics } from "@requant/calibrate";
import { type Finding, memorySink, memorySource } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { imatrixWeights, readImatrix, writeImatrix } from "@requant/gguf";
import { afterAll, describe, expect, it } from "vitest";
import {
  type CollectStatisticsOptions,
  collectStatistics,
  expectedStatistics,
  importanceMatrix,
  importanceOfStatistics,
  type Model,
  openModel,
  parseTarget,
  planConversion,
  type WriteImportanceMatrixOptions,
  writeImportanceMatrix,
} from "../../src/index.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const text = readFileSync(join(fixtures, "kjv/heldout.txt"), "utf8").slice(0, 6000);
const folder = mkdtempSync(join(tmpdir(), "requant-statistics-"));
const compute = wasmCompute();
afterAll(async () => {
  await compute.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (path: string): Promise<Model> => openModel({ store: directoryStore(join(fixtures, path)) });
const bytesOf = (file: string): Uint8Array => readFileSync(join(folder, file));

async function collected(
  file: string,
  more: Partial<CollectStatisticsOptions> = {},
): ReturnType<typeof collectStatistics> {
  const model = await open("kjv/hf");
  try {
    const store = directoryStore(folder);
    return await collectStatistics({ model, text, window: 64, samples: 8, store, file, compute, ...more });
  } finally {
    await model.close();
  }
}

it("the file is the one that writeStatistics writes", async () => {
  const report = await collected("whole.safetensors");
  expect(report).toMatchObject({ windows: 8, window: 64, entries: 14, resumed: 0, findings: [] });
  const statistics = await openStatistics(directoryStore(folder), { file: "whole.safetensors" });
  let again: Uint8Array = new Uint8Array();
  const sink = memorySink((bytes) => {
    again = bytes;
  });
  await writeStatistics(sink, statistics.entries, statistics.metadata);
  await sink.close();
  await statistics.close();
  expect(Buffer.compare(again, bytesOf("whole.safetensors"))).toBe(0);
  expect(report.byteLength).toBe(again.byteLength);
});

it("interrupted in any layer, it is resumed to the same bytes", async () => {
  // 3 layers and the head; the share of steps at which the caller stops
  for (const [index, share] of [0.1, 0.4, 0.6, 0.9].entries()) {
    const file = `part-${index}.safetensors`;
    const abort = new AbortController();
    const told: Finding[] = [];
    const stopped = collected(file, {
      signal: abort.signal,
      onProgress: ({ done, total }) => (done / total >= share ? abort.abort() : undefined),
      onFinding: (found) => told.push(found),
    });
    await expect(stopped).rejects.toThrow(/abort/i);
    expect(told.map(({ code }) => code)).toEqual(["kept"]);
    expect(existsSync(join(folder, file))).toBe(false);
    const { resumed } = await collected(file, { resume: true });
    expect(resumed).toBe(Math.floor(share * 4));
    expect(Buffer.compare(bytesOf(file), bytesOf("whole.safetensors"))).toBe(0);
  }
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
});

it("resuming a finished file computes nothing, and another run is refused", async () => {
  let steps = 0;
  const onProgress = (): void => {
    steps += 1;
  };
  expect(await collected("whole.safetensors", { resume: true, onProgress })).toMatchObject({ resumed: 4 });
  expect(steps).toBe(0);
  await expect(collected("whole.safetensors", { resume: true, samples: 7 })).rejects.toThrow(
    /other settings/,
  );
  await expect(collected("whole.safetensors")).rejects.toThrow(/exists already/);
  const abort = new AbortController();
  const stopped = collected("other.safetensors", { signal: abort.signal, onProgress: () => abort.abort() });
  await expect(stopped).rejects.toThrow();
  await expect(collected("other.safetensors", { resume: true, window: 32 })).rejects.toThrow(
    /other settings/,
  );
  expect((await collected("other.safetensors", { resume: true })).resumed).toBe(0);
});

const matrixOf = async (
  file: string,
  more: Partial<WriteImportanceMatrixOptions> = {},
): ReturnType<typeof writeImportanceMatrix> => {
  const model = await open(MIXTURE);
  const store = directoryStore(folder);
  try {
    return await writeImportanceMatrix({ model, text, window: 64, chunks: 4, store, file, compute, ...more });
  } finally {
    await model.close();
  }
};
const MIXTURE = "arch/granite-3.1-moe-tiny";

it("an importance matrix that is interrupted in any layer is resumed to the same bytes, in both forms", async () => {
  const model = await open(MIXTURE);
  const { imatrix } = await importanceMatrix({
    model,
    text,
    window: 64,
    chunks: 4,
    compute,
    processOutput: true,
  });
  await model.close();
  for (const form of ["gguf", "dat"] as const) {
    let oracle: Uint8Array = new Uint8Array();
    const sink = memorySink((bytes) => {
      oracle = bytes;
    });
    await writeImatrix(sink, imatrix, { form });
    await sink.close();
    // 2 layers and the head; the share of steps at which the caller stops
    for (const [index, share] of [0.1, 0.5, 0.9].entries()) {
      const file = `matrix-${index}.${form}`;
      const settings = { form, processOutput: true };
      const abort = new AbortController();
      const told: Finding[] = [];
      const stopped = matrixOf(file, {
        ...settings,
        signal: abort.signal,
        onProgress: ({ done, total }) => (done / total >= share ? abort.abort() : undefined),
        onFinding: (found) => told.push(found),
      });
      await expect(stopped).rejects.toThrow(/abort/i);
      expect(told.map(({ code }) => code)).toEqual(["kept"]);
      expect(existsSync(join(folder, file))).toBe(false);
      await expect(matrixOf(file, { form, resume: true })).rejects.toThrow(/other settings/);
      const { resumed } = await matrixOf(file, { ...settings, resume: true });
      expect(resumed).toBe(Math.floor(share * 3));
      expect(Buffer.compare(bytesOf(file), oracle)).toBe(0);
    }
  }
  await expect(matrixOf("matrix-0.gguf", { resume: true })).rejects.toThrow(/exists already/);
  expect(readdirSync(folder).filter((name) => name.startsWith(".matrix"))).toEqual([]);
});

it("the numbers do not depend on the number of windows at a time, and hidden states beyond a limit go to a file", async () => {
  const model = await open("kjv/hf");
  const measured = async (spill: boolean): Promise<Float32Array | undefined> => {
    const store = spill ? directoryStore(join(folder, "spill")) : undefined;
    const options = { model, text, window: 64, compute, spill: store, statesByteLength: 1 };
    return (await importanceMatrix(options)).imatrix.entries.get("blk.2.ffn_down.weight")?.sums;
  };
  expect(await measured(true)).toEqual(await measured(false));
  expect(existsSync(join(folder, "spill"))).toBe(false);
  await model.close();
});

it("the head of a tied model is output.weight, and guides the embedding of its GGUF", async () => {
  const model = await open("arch/gpt2-tiny");
  const statistics = await expectedStatistics(model);
  expect(statistics.shared.get("token_embd.weight")).toBe("output.weight");
  expect(statistics.entries.has("output.weight")).toBe(true);
  const plan = await planConversion(model, parseTarget("gguf:q8_0"), { statistics, pure: true });
  expect(plan.findings.filter(({ message }) => message.includes("output.weight"))).toEqual([]);
  await model.close();
});

const golden = process.env["REQUANT_GOLDEN"];
const kjv = join(golden ?? "", "kjv");

describe.skipIf(!existsSync(kjv))(
  "llama-imatrix on the same text (skipped: REQUANT_GOLDEN is not set)",
  () => {
    const calibration = (): string => readFileSync(join(kjv, "gguf/imatrix_calib.txt"), "utf8");
    const known = async () => {
      const path = join(kjv, "gguf/imatrix.gguf");
      return readImatrix(memorySource(readFileSync(path), path));
    };

    it("every sum of squares is within 0.5 %, and the counts are equal", async () => {
      const model = await openModel({ store: directoryStore(join(kjv, "gguf")), file: "kjv-BF16.gguf" });
      const { imatrix, findings } = await importanceMatrix({
        model,
        text: calibration(),
        window: 256,
        compute,
      });
      await model.close();
      const expected = await known();
      expect(findings).toEqual([]);
      expect(imatrix).toMatchObject({ chunkCount: expected.chunkCount, chunkSize: expected.chunkSize });
      expect([...imatrix.entries.keys()].sort()).toEqual([...expected.entries.keys()].sort());
      for (const [name, { sums, counts }] of expected.entries) {
        const own = imatrix.entries.get(name);
        expect(own?.counts).toEqual(counts);
        for (const [column, sum] of sums.entries()) {
          expect(Math.abs((own?.sums[column] ?? 0) / sum - 1)).toBeLessThan(0.005);
        }
      }
    });

    it("a file of statistics holds the same matrix", async () => {
      await collected("calib.safetensors", { text: calibration(), window: 256, samples: undefined });
      const own = imatrixWeights(await importanceOfStatistics(directoryStore(folder), "calib.safetensors"));
      for (const [name, weights] of imatrixWeights(await known())) {
        for (const [column, weight] of weights.entries()) {
          expect(Math.abs((own.get(name)?.[column] ?? 0) / weight - 1)).toBeLessThan(0.005);
        }
      }
    });
  },
);
