import { createHash } from "node:crypto";
import { F16, floatToHalf, halfToFloat, memorySink, memorySource, memoryStore } from "@requant/core";
import { readGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import {
  editMetadata,
  hashModel,
  inspectModel,
  npyHeader,
  openModel,
  tensorStatistics,
  tensorValues,
  writeNpy,
} from "../../src/index.ts";
import { ggufBytes, pseudoWeights, tinyStore, tinyTensors } from "../tiny-gguf.ts";

async function tinyModel() {
  return openModel({ store: await tinyStore(), file: "tiny.gguf" });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("inspect", () => {
  it("counts parameters, bytes and bits per encoding", async () => {
    const inspection = await inspectModel(await tinyModel());
    const matrices = 96 * 64 + 64 * 64 + 128 * 64;
    expect(inspection).toMatchObject({
      format: "gguf",
      architecture: "llama",
      tensorCount: 4,
      parameterCount: matrices + 64,
      tensorByteLength: matrices * 2 + 64 * 4,
      encodings: [
        {
          encoding: "F16",
          tensorCount: 3,
          parameterCount: matrices,
          byteLength: matrices * 2,
          bitsPerWeight: 16,
        },
        { encoding: "F32", tensorCount: 1, parameterCount: 64, byteLength: 256, bitsPerWeight: 32 },
      ],
    });
    expect(inspection.bitsPerWeight).toBeCloseTo(((matrices * 2 + 256) * 8) / (matrices + 64), 12);
    expect(inspection.facts).toContainEqual({ label: "context length", value: 128 });
  });

  it("puts measured next to claimed", async () => {
    const { measured } = await inspectModel(await tinyModel());
    expect(measured).toContainEqual({
      label: "main encoding",
      measured: "F16",
      claimed: "F16",
      agrees: true,
    });
    expect(measured).toContainEqual({ label: "layers", measured: 1, claimed: 1, agrees: true });
    expect(measured).toContainEqual({ label: "vocabulary", measured: 96, claimed: undefined, agrees: true });
  });
});

describe("hash", () => {
  it("hashes files, stored bytes and values, each as an independent sha256 does", async () => {
    const store = await tinyStore();
    const model = await openModel({ store, file: "tiny.gguf" });
    const bytes = store.files.get("tiny.gguf") ?? new Uint8Array(0);
    const seen: number[] = [];
    const report = await hashModel(model, {
      tensors: true,
      values: true,
      onProgress: (done, total) => seen.push(done / total),
    });
    expect(report.files).toEqual([{ name: "tiny.gguf", byteLength: bytes.length, sha256: sha256(bytes) }]);
    for (const { name, sha256: found } of report.tensors ?? []) {
      const { byteOffset, byteLength } = model.tensor(name);
      expect(found, name).toBe(sha256(bytes.subarray(byteOffset, byteOffset + byteLength)));
    }
    const norm = tinyTensors()[1]?.values ?? new Float32Array(0);
    const normHash = sha256(new Uint8Array(norm.buffer));
    expect(report.values?.tensors.map((tensor) => tensor.sha256)).toContain(normHash);
    expect(seen.at(-1)).toBe(1);
  });

  it("gives equal values equal hashes whatever the encoding", async () => {
    const f16 = await hashModel(await tinyModel(), { values: true });
    // the same f16 numbers, stored as f32
    const rounded = tinyTensors().map((tensor) => {
      if (tensor.shape.length < 2) return tensor;
      const halves = new Uint8Array(tensor.values.length * 2);
      F16.quantize?.(tensor.values, tensor.values.length, halves);
      const values = new Float32Array(tensor.values.length);
      F16.dequantize(halves, values);
      return { ...tensor, values };
    });
    const { F32 } = await import("@requant/core");
    const store = memoryStore({ name: "s" });
    store.files.set("tiny.gguf", await ggufBytes(rounded, { codec: F32 }));
    const f32 = await hashModel(await openModel({ store, file: "tiny.gguf" }), { values: true });
    expect(f32.values).toEqual(f16.values);
    expect(f32.files).not.toEqual(f16.files);
  });
});

describe("dump", () => {
  it("writes the header that numpy writes", () => {
    // numpy.lib.format.header_data_from_array_1_0 of a (2, 3) float32 array, padded to 64 × n
    const header = String.fromCharCode(...npyHeader([2, 3]));
    expect(header).toHaveLength(128);
    expect(header.slice(0, 10)).toBe("\x93NUMPY\x01\x00\x76\x00");
    expect(header.slice(10)).toBe(
      `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }${" ".repeat(58)}\n`,
    );
    expect(String.fromCharCode(...npyHeader([5]))).toContain("'shape': (5,), }");
  });

  it("writes rows as .npy", async () => {
    const model = await tinyModel();
    let written = new Uint8Array(0);
    const sink = memorySink((bytes) => {
      written = bytes;
    }, "x.npy");
    await writeNpy(sink, model, "blk.0.ffn_up.weight", { rows: { start: 3, end: 5 } });
    expect(written).toHaveLength(128 + 2 * 64 * 4);
    const expected = new Float32Array(2 * 64);
    await model.weight("blk.0.ffn_up.weight").readRows(3, 5, expected);
    expect(new Float32Array(written.slice(128).buffer)).toEqual(expected);
  });

  it("gives figures and a histogram", async () => {
    const model = await tinyModel();
    const statistics = await tensorStatistics(model, "blk.0.attn_norm.weight", { bins: 4 });
    const values = pseudoWeights(64, 2);
    const mean = values.reduce((sum, value) => sum + value, 0) / 64;
    expect(statistics).toMatchObject({
      count: 64,
      min: Math.min(...values),
      max: Math.max(...values),
      nans: 0,
      infinities: 0,
    });
    expect(statistics.mean).toBeCloseTo(mean, 12);
    expect(statistics.histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(64);
    const width = (statistics.max - statistics.min) / 4;
    const first = values.filter((value) => value < statistics.min + width).length;
    expect(statistics.histogram.counts[0]).toBe(first);
  });

  it("hands out the rows of both passes", async () => {
    const values = pseudoWeights(96 * 64, 1);
    const store = memoryStore({ name: "s" });
    store.files.set("tiny.gguf", await ggufBytes([{ name: "x", shape: [96, 64], values }]));
    const model = await openModel({ store, file: "tiny.gguf" });
    const seen = { range: new Float32Array(20 * 64), histogram: new Float32Array(20 * 64) };
    await tensorStatistics(model, "x", {
      rows: { start: 10, end: 30 },
      onRows: (piece, { start }, pass) => seen[pass].set(piece, (start - 10) * 64),
    });
    // matrices of this file are F16
    const stored = Float32Array.from(values, (value) => halfToFloat(floatToHalf(value)));
    const expected = stored.subarray(10 * 64, 30 * 64);
    expect(seen.range).toEqual(expected);
    expect(seen.histogram).toEqual(expected);
  });

  it("counts what is not finite", async () => {
    const store = memoryStore({ name: "s" });
    const values = Float32Array.of(1, Number.NaN, Infinity, -Infinity, 0, 2, 3, 4);
    store.files.set("tiny.gguf", await ggufBytes([{ name: "x", shape: [8], values }]));
    const model = await openModel({ store, file: "tiny.gguf" });
    expect(await tensorStatistics(model, "x")).toMatchObject({
      nans: 1,
      infinities: 2,
      zeros: 1,
      min: 0,
      max: 4,
      mean: 2,
    });
  });

  it("refuses rows that are not there", async () => {
    const model = await tinyModel();
    for (const rows of [
      { start: 0, end: 97 },
      { start: -1, end: 2 },
      { start: 2, end: 1 },
    ]) {
      await expect(tensorValues(model, "token_embd.weight", { rows }).next()).rejects.toMatchObject({
        code: "USAGE",
      });
    }
    await expect(tensorStatistics(model, "nope")).rejects.toMatchObject({ code: "FORMAT", tensor: "nope" });
  });
});

describe("editMetadata", () => {
  for (const littleEndian of [true, false]) {
    it(`changes keys and no weight of a ${littleEndian ? "little" : "big"}-endian file`, async () => {
      const bytes = await ggufBytes(tinyTensors(), { littleEndian });
      let written = new Uint8Array(0);
      const sink = memorySink((result) => {
        written = result;
      }, "new.gguf");
      const name = "A much longer name than before, so that the data moves".repeat(3);
      const set = new Map([["general.name", { type: "string", value: name }] as const]);
      const change = { set, unset: ["llama.context_length"] };
      await editMetadata(memorySource(bytes, "old.gguf"), sink, change, { force: true });
      const [before, after] = [await readGguf(memorySource(bytes)), await readGguf(memorySource(written))];
      expect(after.littleEndian).toBe(littleEndian);
      expect(after.metadata.get("general.name")).toEqual({ type: "string", value: name });
      expect([...after.metadata.keys()]).toEqual(
        [...before.metadata.keys()].filter((key) => key !== "llama.context_length"),
      );
      for (const [index, tensor] of before.tensors.entries()) {
        const moved = after.tensors[index];
        if (moved === undefined) throw new Error("a tensor is gone");
        expect(written.subarray(moved.byteOffset, moved.byteOffset + moved.byteLength)).toEqual(
          bytes.subarray(tensor.byteOffset, tensor.byteOffset + tensor.byteLength),
        );
      }
    });
  }

  it("without changes writes the same file", async () => {
    const bytes = await ggufBytes();
    let written = new Uint8Array(0);
    await editMetadata(
      memorySource(bytes),
      memorySink((result) => {
        written = result;
      }, "n"),
      {},
    );
    expect(written).toEqual(bytes);
  });

  it("leaves nothing when a key is not there", async () => {
    let closed = false;
    const sink = memorySink(() => {
      closed = true;
    }, "n");
    await expect(
      editMetadata(memorySource(await ggufBytes()), sink, { unset: ["nope"] }),
    ).rejects.toMatchObject({ code: "USAGE" });
    expect(closed).toBe(false);
  });
});
