/** Arrays of a header as bytes. Oracle: the decoded values, written again by the encoder of strings and numbers. */
import type { Metadata, MetadataArray } from "@requant/core";
import { memorySource } from "@requant/core";
import { expect, it } from "vitest";
import { layoutGguf, parseGguf, readGguf, storedElements } from "../src/index.ts";

const texts = ["a", "", "Ġword", "\udcff\udc80", "🙂"];

function metadataOf(value: readonly string[], scores: ArrayLike<number>): Metadata {
  return new Map<string, MetadataArray>([
    ["texts", { type: "array", elementType: "string", length: value.length, value }],
    ["scores", { type: "array", elementType: "f32", length: scores.length, value: scores }],
  ]);
}

function arrayOf(metadata: Metadata, key: string): MetadataArray {
  const value = metadata.get(key);
  if (value?.type !== "array") throw new Error(`no array ${key}`);
  return value;
}

/** The same arrays with values that were decoded, so that they must be encoded again. */
function decoded(metadata: Metadata): Metadata {
  return new Map(
    [...metadata].map(([key, value]) => [
      key,
      value.type === "array" ? ({ ...value, value: [...(value.value as string[])] } as MetadataArray) : value,
    ]),
  );
}

for (const littleEndian of [true, false]) {
  it(`writes the bytes that were read, ${littleEndian ? "little" : "big"}-endian`, async () => {
    const { header } = layoutGguf({
      metadata: metadataOf(texts, [1, 2.5, -0, Number.NaN]),
      tensors: [],
      littleEndian,
    });
    const { metadata } = await readGguf(memorySource(header));
    const stored = storedElements(arrayOf(metadata, "texts"));
    expect(stored?.littleEndian).toBe(littleEndian);
    // each length has eight bytes
    expect(stored?.bytes.byteLength).toBe(5 * 8 + 1 + 0 + 6 + 2 + 4);
    expect(layoutGguf({ metadata, tensors: [], littleEndian }).header).toEqual(header);
    // not decoded yet
    expect(storedElements(arrayOf(metadata, "scores"))?.bytes.byteLength).toBe(16);
    expect(layoutGguf({ metadata: decoded(metadata), tensors: [], littleEndian }).header).toEqual(header);
    // another byte order needs the values
    const swapped = layoutGguf({ metadata, tensors: [], littleEndian: !littleEndian }).header;
    expect(parseGguf(swapped).metadata.get("texts")?.value).toEqual(texts);
  });
}

it("tells nothing of numbers that may have been changed, and writes the changed ones", async () => {
  const { header } = layoutGguf({ metadata: metadataOf(texts, [1, 2]), tensors: [] });
  const { metadata } = await readGguf(memorySource(header));
  const scores = arrayOf(metadata, "scores");
  (scores.value as Float32Array)[0] = 7;
  expect(storedElements(scores)).toBeUndefined();
  const again = parseGguf(layoutGguf({ metadata, tensors: [] }).header);
  expect([...(arrayOf(again.metadata, "scores").value as Float32Array)]).toEqual([7, 2]);
});

it("keeps the bytes of decoded strings where the caller uses the memory again", () => {
  const { header } = layoutGguf({ metadata: metadataOf(texts, [1, 2]), tensors: [] });
  const memory = header.slice();
  const { metadata } = parseGguf(memory);
  expect(arrayOf(metadata, "texts").value).toEqual(texts);
  expect(arrayOf(metadata, "scores").value).toHaveLength(2);
  memory.fill(0);
  expect(layoutGguf({ metadata, tensors: [] }).header).toEqual(header);
});
