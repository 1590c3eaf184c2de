/** Models that the forward pass refuses before it reads anything. Oracle: the change that was made to a complete model. */
import { fileURLToPath } from "node:url";
import { FormatError, type MetadataValue, UnsupportedError, UsageError } from "@requant/core";
import { expect, test } from "vitest";
import { type DecoderSource, memoryStates, openDecoder } from "../src/index.ts";
import { hfSource, withHfModel } from "./model-source.ts";

const directory = fileURLToPath(new URL("../../../fixtures/kjv/hf", import.meta.url));
const complete = await withHfModel(directory, hfSource);

function changed(change: {
  metadata?: Readonly<Record<string, MetadataValue | undefined>>;
  shapes?: Readonly<Record<string, readonly number[] | undefined>>;
}): DecoderSource {
  const metadata = new Map(complete.metadata);
  for (const [key, value] of Object.entries(change.metadata ?? {})) {
    if (value === undefined) metadata.delete(key);
    else metadata.set(key, value);
  }
  const shapes = new Map(complete.shapes);
  for (const [name, shape] of Object.entries(change.shapes ?? {})) {
    if (shape === undefined) shapes.delete(name);
    else shapes.set(name, shape);
  }
  const readRows = (): Promise<void> => Promise.reject(new Error("read too early"));
  return { metadata, shapes, readRows };
}

const u32 = (value: number): MetadataValue => ({ type: "u32", value });
const text = (value: string): MetadataValue => ({ type: "string", value });

test("a complete model is opened without reading a tensor", () => {
  expect(openDecoder(changed({}))).toMatchObject({ layers: 3, hidden: 256, vocabulary: 1024 });
});

test.each([
  [
    "a family without a forward pass",
    { metadata: { "general.architecture": text("mamba") } },
    /mamba is not known/,
  ],
  ["no architecture", { metadata: { "general.architecture": undefined } }, /no general\.architecture/],
  [
    "a tensor that no step reads",
    { shapes: { "blk.1.attn_sinks.weight": [4] } },
    /blk\.1\.attn_sinks\.weight/,
  ],
  ["a layer too many", { shapes: { "blk.3.attn_norm.weight": [256] } }, /blk\.3\.attn_norm\.weight/],
  [
    "a rotation in sections",
    {
      metadata: {
        "llama.rope.dimension_sections": {
          type: "array",
          elementType: "i32",
          length: 4,
          value: [8, 12, 12, 0],
        },
      },
    },
    /rope\.dimension_sections/,
  ],
  [
    "an unknown scaling of the rotation",
    { metadata: { "llama.rope.scaling.type": text("dynamic") } },
    /rope\.scaling\.type "dynamic"/,
  ],
  [
    "heads that differ from layer to layer",
    {
      metadata: {
        "llama.attention.head_count_kv": { type: "array", elementType: "i32", length: 3, value: [2, 1, 2] },
      },
    },
    /differs from layer to layer/,
  ],
] as const)("%s is unsupported", (_, change, message) => {
  expect(() => openDecoder(changed(change))).toThrow(UnsupportedError);
  expect(() => openDecoder(changed(change))).toThrow(message);
});

test.each([
  [
    "a missing norm",
    { shapes: { "blk.2.ffn_norm.weight": undefined } },
    /no tensor blk\.2\.ffn_norm\.weight/,
  ],
  [
    "a missing projection",
    { shapes: { "blk.0.attn_k.weight": undefined } },
    /no tensor blk\.0\.attn_k\.weight/,
  ],
  [
    "a missing gate",
    { shapes: { "blk.0.ffn_gate.weight": undefined } },
    /no tensor blk\.0\.ffn_gate\.weight/,
  ],
  [
    "a wider projection",
    { shapes: { "blk.0.attn_q.weight": [256, 257] } },
    /\[256, 257\]; expected is \[256, 256\]/,
  ],
  [
    "another width of the feed-forward",
    { shapes: { "blk.0.ffn_up.weight": [511, 256] } },
    /expected is \[512, 256\]/,
  ],
  ["a longer bias", { shapes: { "blk.0.attn_q.bias": [255] } }, /blk\.0\.attn_q\.bias/],
  ["a head of another vocabulary", { shapes: { "output.weight": [1023, 256] } }, /output\.weight/],
  ["rope factors of another length", { shapes: { "rope_freqs.weight": [31] } }, /rope_freqs\.weight/],
  ["no number of layers", { metadata: { "llama.block_count": undefined } }, /llama\.block_count/],
  [
    "key heads that do not divide",
    { metadata: { "llama.attention.head_count_kv": u32(3) } },
    /3 heads of keys/,
  ],
  ["an odd rotation", { metadata: { "llama.rope.dimension_count": u32(63) } }, /63 dimensions/],
  [
    "no epsilon",
    { metadata: { "llama.attention.layer_norm_rms_epsilon": undefined } },
    /layer_norm_rms_epsilon/,
  ],
] as const)("%s is a fault of the file", (_, change, message) => {
  expect(() => openDecoder(changed(change))).toThrow(FormatError);
  expect(() => openDecoder(changed(change))).toThrow(message);
});

test("tokens that the vocabulary does not have, and windows that do not fit, are refused", async () => {
  const decoder = openDecoder(changed({}));
  const states = memoryStates(1, 2, 256);
  await expect(decoder.embed(Int32Array.from([5, 1024]), states)).rejects.toThrow(UsageError);
  await expect(decoder.embed(Int32Array.from([5, 1024]), states)).rejects.toThrow(/token 1024/);
  await expect(decoder.embed(Int32Array.from([5]), states)).rejects.toThrow(/1 tokens do not fit/);
});

test("weights that are not numbers are refused in the layer that computes with them", async () => {
  await withHfModel(directory, async (model) => {
    const source = await hfSource(model);
    const decoder = openDecoder({
      ...source,
      async readRows(name, start, end, out) {
        await source.readRows(name, start, end, out);
        if (name === "blk.1.ffn_down.weight") out[7] = Number.NaN;
      },
    });
    const states = memoryStates(1, 2, 256);
    await decoder.embed(Int32Array.from([5, 6]), states);
    await decoder.runLayer(0, states);
    await expect(decoder.runLayer(1, states)).rejects.toThrow(/Layer 1 .* infinite numbers or NaN/);
  });
});
