/** Oracle: node:crypto over bytes that are written out here, and the hash of "abc" in FIPS 180-2. */
import { createHash } from "node:crypto";
import { memoryStore } from "@requant/core";
import { nodeSha256 } from "@requant/core/node";
import { writeSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import { hashModel, openModel } from "../../src/index.ts";

const bytesOf = (numbers: Uint16Array | Float32Array): Uint8Array => new Uint8Array(numbers.buffer);
const right = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

it("nodeSha256 takes bytes in pieces", () => {
  const hash = nodeSha256();
  for (const letter of "abc") hash.update(new TextEncoder().encode(letter));
  expect(hash.hex()).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

describe.each([
  ["the hash in JavaScript", undefined],
  ["Node's own", nodeSha256],
])("hashModel with %s", (_, createHashOption) => {
  it("hashes files, stored bytes and f32 values", async () => {
    // 1, -2, 0.5, 65504 in F16
    const stored = bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x7bff));
    const values = bytesOf(Float32Array.of(1, -2, 0.5, 65504));
    const store = memoryStore({ name: "m" });
    const sink = await store.create("model.safetensors");
    await writeSafetensors(sink, [{ name: "a", encoding: "F16", shape: [2, 2], data: [stored] }]);
    await sink.close();
    const model = await openModel({ store, file: "model.safetensors" });
    const report = await hashModel(model, { tensors: true, values: true, createHash: createHashOption });
    const file = store.files.get("model.safetensors") ?? new Uint8Array();
    expect(report.files).toEqual([
      { name: "model.safetensors", byteLength: file.length, sha256: right(file) },
    ]);
    expect(report.tensors?.map(({ sha256 }) => sha256)).toEqual([right(stored)]);
    expect(report.values?.tensors.map(({ sha256 }) => sha256)).toEqual([right(values)]);
    expect(report.values?.sha256).toBe(right(new TextEncoder().encode(`a\t2,2\t${right(values)}\n`)));
  });
});
