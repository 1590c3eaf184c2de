import type { ByteSink, ByteSource, MetadataValue, ReadStore } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, planModelSplit, runPlan } from "../../src/index.ts";
import type { OutputStore } from "../../src/run/outputs/store.ts";

const MIB = 1024 * 1024;
const metadata = new Map<string, MetadataValue>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["llama.block_count", { type: "u32", value: 1 }],
  ["llama.attention.head_count", { type: "u32", value: 32 }],
]);

/** A GGUF whose tensor data is made up on each read: as large as wanted, at no cost in memory. Counts what is read of it. */
function generatedModel(tensors: readonly { name: string; shape: number[]; encoding: string }[]) {
  const layout = layoutGguf({ metadata, tensors });
  const traffic = { reads: 0, bytes: 0, inFlight: 0 };
  const source: ByteSource = {
    name: "generated/model.gguf",
    byteLength: layout.byteLength,
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      await this.readInto(bytes, start);
      return bytes;
    },
    async readInto(target, start) {
      traffic.inFlight += 1;
      await new Promise((resolve) => setImmediate(resolve));
      traffic.inFlight -= 1;
      if (start >= layout.dataOffset) {
        traffic.reads += 1;
        traffic.bytes += target.byteLength;
      }
      // f16 numbers near 1: 0x3c00 + a few low bits
      for (let i = 0; i < target.length; i++) {
        const at = start + i;
        target[i] =
          at < layout.dataOffset ? (layout.header[at] ?? 0) : at % 2 === 1 ? 0x3c : (at >> 4) & 0x3f;
      }
    },
    async close() {},
  };
  const store: ReadStore = {
    name: "generated",
    open: async (path) => (path === "model.gguf" ? source : undefined),
    list: async () => ["model.gguf"],
  };
  return { store, traffic, layout };
}

/** A sink that takes its time, keeps nothing, and tells about each write. */
function slowStore(onWrite: (total: number) => void, delay = 0): OutputStore {
  return {
    name: "out",
    open: async () => undefined,
    list: async () => [],
    async create(path): Promise<ByteSink> {
      let byteLength = 0;
      return {
        name: path,
        get byteLength() {
          return byteLength;
        },
        async write(bytes) {
          byteLength += bytes.byteLength;
          await new Promise((resolve) => setTimeout(resolve, delay));
          onWrite(byteLength);
        },
        async close() {},
        async abort() {},
      };
    },
  };
}

describe("a run streams", () => {
  it("opens a 10 GB-shaped model in a few reads", async () => {
    const { store, traffic, layout } = generatedModel(
      Array.from({ length: 80 }, (_, index) => ({
        name: `blk.${index}.attn_q.weight`,
        shape: [8192, 8192],
        encoding: "F16",
      })),
    );
    expect(layout.byteLength).toBeGreaterThan(10e9);
    const before = process.memoryUsage().arrayBuffers;
    const model = await openModel({ store, file: "model.gguf" });
    const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "out" });
    expect(plan.tensors).toHaveLength(80);
    // the header's first window reaches into the data; no weight is read for its own sake
    expect(traffic.bytes).toBeLessThan(MIB);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
    await model.close();
  });

  it("reads no further ahead of a slow sink than one band, whatever the target", async () => {
    const { store, traffic } = generatedModel([
      { name: "blk.0.attn_q.weight", shape: [4096, 2048], encoding: "F16" },
      { name: "blk.0.ffn_up.weight", shape: [4096, 2048], encoding: "F16" },
    ]);
    const bandByteLength = MIB;
    // bytes of the source behind one byte of the output
    const ratios: Record<string, number> = { "gguf:q8_0": 64 / 34, "gguf:f16": 1, "gguf:f32": 0.5 };
    for (const [target, ratio] of Object.entries(ratios)) {
      const model = await openModel({ store, file: "model.gguf" });
      const plan = await planConversion(model, parseTarget(target), { outputName: "out" });
      const opened = traffic.bytes;
      let furthest = 0;
      let reading = 0;
      const output = slowStore((written) => {
        furthest = Math.max(furthest, traffic.bytes - opened - written * ratio);
        reading = Math.max(reading, traffic.inFlight);
      }, 1);
      await runPlan(plan, model, output, { bandByteLength, check: false });
      expect(reading, target).toBe(0);
      expect(furthest, target).toBeLessThanOrEqual(bandByteLength);
      expect(traffic.bytes - opened, target).toBe(2 * 4096 * 2048 * 2);
      await model.close();
    }
  });

  it("keeps memory bounded while a 256 MB model goes through", async () => {
    const { store } = generatedModel(
      Array.from({ length: 8 }, (_, index) => ({
        name: `blk.${index}.ffn_up.weight`,
        shape: [8192, 2048],
        encoding: "F16",
      })),
    );
    const model = await openModel({ store, file: "model.gguf" });
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "out" });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const output = slowStore(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    });
    await runPlan(plan, model, output, { bandByteLength: MIB, check: false });
    // four bands and the pages, plus what the collector has not taken yet
    expect(most).toBeLessThan(96 * MIB);
    await model.close();
  });

  it("splits without holding a tensor", async () => {
    const { store, traffic } = generatedModel(
      Array.from({ length: 4 }, (_, index) => ({
        name: `blk.${index}.ffn_up.weight`,
        shape: [4096, 1024],
        encoding: "F16",
      })),
    );
    const model = await openModel({ store, file: "model.gguf" });
    const plan = await planModelSplit(model, { outputName: "parts", maxTensors: 1 });
    expect(plan.files.map(({ name }) => name)).toEqual(
      [1, 2, 3, 4].map((part) => `parts-0000${part}-of-00004.gguf`),
    );
    expect(plan.tensors.every(({ fidelity }) => fidelity === "copy")).toBe(true);
    const opened = traffic.bytes;
    await runPlan(
      plan,
      model,
      slowStore(() => {}),
      { check: false, bandByteLength: MIB },
    );
    expect(traffic.bytes - opened).toBe(4 * 4096 * 1024 * 2);
    await model.close();
  });
});
