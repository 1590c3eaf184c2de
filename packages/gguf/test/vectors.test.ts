/**
 * Files of gguf-py, the writer behind llama.cpp's converters: read to the values that were written, and written again
 * byte for byte.
 */
import { readFileSync } from "node:fs";
import { memorySink, memorySource } from "@requant/core";
import { describe, expect, it } from "vitest";
import { type Gguf, openGguf, type WriteGgufOptions, writeGguf } from "../src/index.ts";

function vector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`./vectors/container/${name}`, import.meta.url)));
}

async function rewritten(set: Gguf, form: Partial<WriteGgufOptions> = {}): Promise<Uint8Array> {
  let result: Uint8Array = new Uint8Array(0);
  const sink = memorySink((bytes) => {
    result = bytes;
  });
  await writeGguf(sink, {
    metadata: set.metadata,
    littleEndian: set.parts[0]?.littleEndian,
    ...form,
    tensors: set.tensors.map((tensor) => ({
      ...tensor,
      data: async function* () {
        yield await set.read(tensor, 0, tensor.byteLength);
      },
    })),
  });
  await sink.close();
  return result;
}

const values = [
  ["general.architecture", "string", "llama"],
  ["v.u8", "u8", 255],
  ["v.i8", "i8", -128],
  ["v.u16", "u16", 65535],
  ["v.i16", "i16", -32768],
  ["v.u32", "u32", 4294967295],
  ["v.i32", "i32", -2147483648],
  ["v.f32", "f32", Math.fround(0.1)],
  ["v.f64", "f64", 0.1],
  ["v.u64", "u64", 18446744073709551615n],
  ["v.i64", "i64", -9223372036854775808n],
  ["v.true", "bool", true],
  ["v.false", "bool", false],
  ["v.string", "string", "é😀\n"],
  ["a.string", "array", ["a", "", "é"]],
  ["a.i32", "array", [1, -2, 3]],
  ["a.f32", "array", [0.5, -0.25]],
  ["a.bool", "array", [true, false]],
  ["a.u64", "array", [1n, 18446744073709551615n]],
  ["a.u16", "array", [1, 65535]],
  ["a.bytes", "array", [0, 127, 255]],
  ["s.bytes", "string", "\udcc3(\udcff"],
] as const;

const tensors = [
  ["f32", "F32", [2, 3]],
  ["f16", "F16", [2, 1, 2]],
  ["bf16", "BF16", [1, 3]],
  ["i8", "I8", [3]],
  ["i16", "I16", [2]],
  ["i32", "I32", [1]],
  ["i64", "I64", [1]],
  ["f64", "F64", [1]],
  ["q4_0", "Q4_0", [2, 64]],
  ["q8_0", "Q8_0", [2, 64]],
  ["q4_k", "Q4_K", [2, 512]],
  ["q6_k", "Q6_K", [2, 512]],
  ["mxfp4", "MXFP4", [2, 64]],
] as const;

describe.each(["plain.gguf", "aligned.gguf"])("%s", (name) => {
  it("is read to the values that were written", async () => {
    const set = await openGguf(memorySource(vector(name)));
    const aligned = name === "aligned.gguf";
    expect(set.parts[0]).toMatchObject({ version: 3, littleEndian: true, alignment: aligned ? 64 : 32 });
    const found = [...set.metadata].map(([key, { type, value }]) => [
      key,
      type,
      type === "array" ? Array.from<unknown>(value) : value,
    ]);
    const [architecture, ...others] = values;
    expect(found).toEqual(
      aligned ? [architecture, ["general.alignment", "u32", 64], ...others] : [architecture, ...others],
    );
    expect(set.tensors.map((tensor) => [tensor.name, tensor.encoding, tensor.shape])).toEqual(tensors);
    const [f32] = set.tensors;
    if (f32 === undefined) throw new Error("no tensors");
    const bytes = (await set.read(f32, 0, 24)).slice();
    expect([...new Float32Array(bytes.buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("is written again byte for byte", async () => {
    const bytes = vector(name);
    expect(await rewritten(await openGguf(memorySource(bytes)))).toEqual(bytes);
  });
});

describe("big.gguf", () => {
  it("is read to the blocks of the little-endian file", async () => {
    const big = await openGguf(memorySource(vector("big.gguf")));
    const little = await openGguf(memorySource(vector("little.gguf")));
    expect(big.parts[0]?.littleEndian).toBe(false);
    expect([...big.metadata.keys()]).toEqual([...little.metadata.keys()]);
    for (const [key, { value }] of little.metadata) expect(big.metadata.get(key)?.value).toEqual(value);
    expect(big.tensors).toEqual(little.tensors);
    for (const tensor of little.tensors)
      expect(await big.read(tensor, 0, tensor.byteLength)).toEqual(
        await little.read(tensor, 0, tensor.byteLength),
      );
  });

  it("equals the little-endian file written as big-endian, and the reverse", async () => {
    const big = vector("big.gguf");
    const little = vector("little.gguf");
    expect(await rewritten(await openGguf(memorySource(little)), { littleEndian: false })).toEqual(big);
    expect(await rewritten(await openGguf(memorySource(big)), { littleEndian: true })).toEqual(little);
  });
});
