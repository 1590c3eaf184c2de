/** Statistics of inputs: summed, written, read, merged. Oracles: small sums done by hand, and a diagonal by torch. */
import { readFileSync } from "node:fs";
import {
  importanceSums,
  mergeStatistics,
  openStatistics,
  referenceCompute,
  StatisticsCollector,
  type StatisticsMetadata,
  type StatisticsReader,
  unreachedExperts,
  unusedExpertFindings,
  wasmCompute,
  writeStatistics,
} from "@requant/calibrate";
import { F16, F32, type MemoryStore, memoryStore } from "@requant/core";
import { type CountingSource, countingSource } from "@requant/core/testing";
import { openSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";

const golden = process.env["REQUANT_GOLDEN"];
const Q = "blk.0.attn_q.weight";
const DOWN = "blk.0.ffn_down_exps.weight";
const METADATA: StatisticsMetadata = {
  shared: { "blk.0.attn_k.weight": Q },
  windows: 2,
  window: 1,
  more: { text: "two words" },
};

/** [[1, −2], [3, 4]] for the queries, [5, 6] for expert 1 of 3. */
async function collected(): Promise<StatisticsCollector> {
  const collector = new StatisticsCollector({
    compute: referenceCompute,
    inputs: [{ name: DOWN, sharedBy: [], columns: 2, experts: 3 }],
  });
  await collector.onInput(Q, Float32Array.of(1, -2), 1, 2);
  await collector.onInput(DOWN, Float32Array.of(5, 6), 1, 2, 1);
  await collector.onInput(Q, Float32Array.of(3, 4), 1, 2);
  return collector;
}

async function written(
  collector: StatisticsCollector,
  metadata: StatisticsMetadata = METADATA,
): Promise<MemoryStore> {
  const store = memoryStore({ name: "stats" });
  const sink = await store.create("stats.safetensors");
  await writeStatistics(sink, await collector.take(), metadata);
  await sink.close();
  return store;
}

const reopened = async (
  collector: StatisticsCollector,
  metadata?: StatisticsMetadata,
): Promise<StatisticsReader> =>
  openStatistics(await written(collector, metadata), { file: "stats.safetensors" });

describe("a file of statistics", () => {
  it("holds the means over the tokens, and the shared names", async () => {
    const reader = await reopened(await collected());
    expect(reader.metadata).toEqual(METADATA);
    expect([...reader.names].sort()).toEqual(["blk.0.attn_k.weight", Q, DOWN]);
    const expected = {
      columns: 2,
      tokens: 2,
      moments: Float32Array.of(5, 5, 5, 10),
      meanAbs: Float32Array.of(2, 3),
    };
    expect(await reader.read(Q)).toEqual(expected);
    expect(await reader.read("blk.0.attn_k.weight")).toEqual(expected);
    expect(reader.entryOf(DOWN)?.tokens).toEqual([0, 1, 0]);
    expect(await reader.read(DOWN, 1)).toMatchObject({ tokens: 1, moments: Float32Array.of(25, 30, 30, 36) });
    expect(await reader.read(DOWN, 2)).toEqual({
      columns: 2,
      tokens: 0,
      moments: new Float32Array(4),
      meanAbs: new Float32Array(2),
    });
  });

  it("gives the numbers of an importance matrix, also for names that share an input", async () => {
    const found = new Map<string, unknown>();
    for await (const [name, sums] of importanceSums(await reopened(await collected()))) found.set(name, sums);
    expect(found).toEqual(
      new Map<string, unknown>([
        ["blk.0.attn_k.weight", { sums: Float32Array.of(10, 20), counts: [2] }],
        [Q, { sums: Float32Array.of(10, 20), counts: [2] }],
        [DOWN, { sums: Float32Array.of(0, 0, 25, 36, 0, 0), counts: [0, 1, 0] }],
      ]),
    );
  });

  it("is read entry by entry", async () => {
    const store = await written(await collected());
    const sources: CountingSource[] = [];
    const reader = await openStatistics(
      {
        ...store,
        async open(path) {
          const source = await store.open(path);
          if (source === undefined) return undefined;
          sources.push(countingSource(source));
          return sources.at(-1);
        },
      },
      { file: "stats.safetensors" },
    );
    const before = sources[0]?.bytes ?? 0;
    await reader.read(Q);
    // 2 × 2 moments and 2 means
    expect((sources[0]?.bytes ?? 0) - before).toBe(24);
  });

  it("names the experts that no token reached", async () => {
    const reader = await reopened(await collected());
    expect(unusedExpertFindings(reader.entries)).toMatchObject([
      {
        code: "unused-expert",
        tensor: DOWN,
        message:
          "No token of the text reached 2 of 3 experts (0 and 2): they are quantized without calibration.",
      },
    ]);
    expect(unreachedExperts([4, 0, 1])).toBe("1");
    expect(unreachedExperts([0, 0, 1, 0])).toBe("0, 1 and 3");
    expect(unreachedExperts(new Array(10).fill(0))).toBe("0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
  });
});

describe("statistics of several texts", () => {
  it("are merged with the same weight for each token", async () => {
    const more = new StatisticsCollector({ compute: referenceCompute });
    await more.onInput(Q, Float32Array.of(8, 0), 1, 2);
    const other = { ...METADATA, windows: 5, window: 2, more: { text: "another" } };
    const readers = [await reopened(await collected()), await reopened(more, other)];
    const { entries, metadata } = mergeStatistics(readers);
    expect(metadata).toEqual({ windows: 7, window: 0, shared: METADATA.shared, more: {} });
    const queries = entries.find(({ name }) => name === Q);
    // sums 1 + 9 + 64, −2 + 12, 4 + 16 of three tokens
    expect(await queries?.read()).toEqual({
      columns: 2,
      tokens: 3,
      moments: Float32Array.of(74 / 3, 10 / 3, 10 / 3, 20 / 3),
      meanAbs: Float32Array.of(4, 2),
    });
    expect(entries.find(({ name }) => name === DOWN)?.tokens).toEqual([0, 1, 0]);
  });

  it("of different models are refused", async () => {
    const other = new StatisticsCollector({ compute: referenceCompute });
    await other.onInput(Q, Float32Array.of(1, 2, 3), 1, 3);
    const readers = [await reopened(await collected()), await reopened(other, { ...METADATA, shared: {} })];
    expect(() => mergeStatistics(readers)).toThrow("2 columns in one, 3 columns in another");
  });
});

describe("bad statistics", () => {
  it("an activation that is not finite names its weight and column", async () => {
    const collector = await collected();
    await expect(collector.onInput(Q, Float32Array.of(1, Number.NaN), 1, 2)).rejects.toMatchObject({
      code: "FORMAT",
      tensor: Q,
      reason: "not-finite",
      message: "An activation that enters this weight is not finite: column 1 of its inputs.",
    });
    const infinite = Float32Array.of(Number.NEGATIVE_INFINITY, 1);
    await expect(collector.onInput(DOWN, infinite, 1, 2, 2)).rejects.toThrow(
      "column 0 of its inputs of expert 2",
    );
  });

  it("another safetensors file is refused", async () => {
    const store = await written(await collected());
    const text = Buffer.from(store.files.get("stats.safetensors") ?? []).toString("latin1");
    const broken = async (from: string, to: string): Promise<unknown> => {
      const changed = memoryStore();
      changed.files.set("stats.safetensors", Buffer.from(text.replace(from, to), "latin1"));
      return openStatistics(changed, { file: "stats.safetensors" });
    };
    await expect(broken("requant-statistics", "requant-statistixx")).rejects.toThrow(
      "no calibration statistics",
    );
    await expect(broken('"version":"1"', '"version":"2"')).rejects.toThrow("version");
    await expect(broken(`${Q}.mean_abs`, `${Q}.mean_abz`)).rejects.toThrow('"mean_abs" is missing');
    await expect(broken(`:\\"${Q}`, `:\\"${Q.replace("q", "p")}`)).rejects.toThrow("which has no entry");
  });

  it("a weight without statistics is refused by name", async () => {
    const reader = await reopened(await collected());
    await expect(reader.read("output.weight")).rejects.toMatchObject({
      code: "USAGE",
      tensor: "output.weight",
    });
  });
});

describe("gathered rows of experts", () => {
  it("have the sums of all rows, however they come", async () => {
    const columns = 3;
    const rows = 700;
    const x = Float32Array.from({ length: rows * columns }, (_, i) => ((i * 7919) % 13) - 6);
    const collector = new StatisticsCollector({
      compute: wasmCompute(),
      inputs: [{ name: DOWN, sharedBy: [], columns, experts: 1 }],
    });
    for (let start = 0, step = 1; start < rows; start += step, step = (step * 5) % 301) {
      const end = Math.min(rows, start + step);
      await collector.onInput(DOWN, x.subarray(start * columns, end * columns), end - start, columns, 0);
    }
    const [entry] = await collector.take();
    const statistics = await entry?.read(0);
    const exact = (i: number, j: number): number => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += (x[row * columns + i] ?? 0) * (x[row * columns + j] ?? 0);
      return Math.fround(sum / rows);
    };
    expect(statistics?.tokens).toBe(rows);
    expect([...(statistics?.moments ?? [])]).toEqual(
      [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => exact(i, j))),
    );
    entry?.release();
  });
});

describe.skipIf(golden === undefined)("activations of kjv (needs REQUANT_GOLDEN)", () => {
  it.each(["qkv", "down"])(
    "of %s have the diagonal of the Hessian that torch summed in f64",
    async (input) => {
      const file = readFileSync(`${golden}/kjv/calibration/activations.safetensors`);
      const store = memoryStore();
      store.files.set("activations.safetensors", file);
      const model = await openSafetensors(store, { file: "activations.safetensors" });
      const floats = async (name: string): Promise<Float32Array> => {
        const tensor = model.tensors.find((candidate) => candidate.name === name);
        if (tensor === undefined) throw new Error(name);
        const codec = tensor.encoding === "F16" ? F16 : F32;
        const out = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
        codec.dequantize(await model.read(tensor, 0, tensor.byteLength), out);
        return out;
      };
      const x = await floats(`${input}.x_f16`);
      const diagonal = await floats(`${input}.h_diag_rows_f32`);
      const collector = new StatisticsCollector({ compute: wasmCompute() });
      const half = x.length / 2;
      await collector.onInput(Q, x.subarray(0, half), 1024, diagonal.length);
      await collector.onInput(Q, x.subarray(half), 1024, diagonal.length);
      const [entry] = await collector.take();
      const squares = (await entry?.readMeanSquares()) ?? new Float32Array();
      // the manifest: "diag of (2/n) X^T X"
      for (const [column, value] of diagonal.entries()) {
        expect(Math.abs(2 * (squares[column] ?? 0) - value)).toBeLessThan(1e-5 * value);
      }
      entry?.release();
    },
  );
});
