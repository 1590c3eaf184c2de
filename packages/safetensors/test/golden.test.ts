/** Files of the official writer: read, and written again byte for byte. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memorySink } from "@requant/core";
import { describe, expect, it } from "vitest";
import { parseHeader, type SafetensorsTensorData, writeSafetensors } from "../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const vector = readFileSync(new URL("./vectors/official.safetensors", import.meta.url));

async function written(
  tensors: readonly SafetensorsTensorData[],
  metadata?: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  let result = new Uint8Array(0);
  const sink = memorySink((bytes) => {
    result = bytes;
  });
  await writeSafetensors(sink, tensors, { metadata });
  await sink.close();
  return result;
}

function dataOf(bytes: Uint8Array): SafetensorsTensorData[] {
  return parseHeader(bytes).tensors.map((tensor) => ({
    ...tensor,
    data: [bytes.subarray(tensor.byteOffset, tensor.byteOffset + tensor.byteLength)],
  }));
}

describe("a file of the official writer", () => {
  it("is read to the values that were written", () => {
    const { tensors, metadata } = parseHeader(vector);
    expect({ ...metadata }).toEqual({ note: "é\u001f\u007f/\u2028" });
    expect(tensors.map(({ name, encoding, shape }) => [name, encoding, shape])).toEqual([
      ["u64", "U64", [1]],
      ["a.i64", "I64", [2]],
      ["b.i64", "I64", [1]],
      ["f64", "F64", [1]],
      ["c64", "C64", [1]],
      ["f32", "F32", [2, 3]],
      ["scalar", "F32", []],
      ["u32", "U32", [1]],
      ["i32", "I32", [1]],
      ["bf16", "BF16", [2]],
      ["f16", "F16", [1]],
      ["u16", "U16", [1]],
      ["i16", "I16", [1]],
      ["e8m0", "F8_E8M0", [2]],
      ["e4m3", "F8_E4M3", [2]],
      ["e5m2", "F8_E5M2", [2]],
      ["i8", "I8", [3]],
      ["u8", "U8", [1]],
      ["f4", "F4", [4]],
      ["bool", "BOOL", [1]],
      ["\uffff", "BOOL", [1]],
      ["\u{1f600}", "BOOL", [0, 7]],
    ]);
  });

  it("is written again byte for byte, in any given order", async () => {
    const { metadata } = parseHeader(vector);
    const tensors = dataOf(vector);
    expect(Buffer.compare(await written(tensors, metadata), vector)).toBe(0);
    expect(Buffer.compare(await written(tensors.reverse(), metadata), vector)).toBe(0);
  });
});

describe.skipIf(!golden)("golden safetensors files (skipped: REQUANT_GOLDEN is not set)", () => {
  /** Written by MLX itself, which orders and pads otherwise. */
  const isOfMlx = (name: string): boolean => /(?:^|\/)mlx[^/]*\//.test(name);

  it("writes every file of the official writer again byte for byte", async () => {
    const folder = golden ?? "";
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith(".safetensors") && !name.startsWith("abuse") && !isOfMlx(name),
    );
    expect(names.length).toBeGreaterThan(50);
    const differing: string[] = [];
    for (const name of names) {
      const bytes = readFileSync(join(folder, name));
      const { metadata } = parseHeader(bytes, { path: name });
      const given = Object.keys(metadata).length === 0 ? undefined : metadata;
      if (Buffer.compare(await written(dataOf(bytes), given), bytes) !== 0) differing.push(name);
    }
    expect(differing).toEqual([]);
  });
});
