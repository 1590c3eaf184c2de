import assert from "node:assert/strict";
import { limitsWith, memoryStore } from "../../packages/core/src/index.ts";
import {
  layoutSafetensors,
  openSafetensors,
  parseHeader,
  parseShardIndex,
} from "../../packages/safetensors/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { fileBytes, folderBytes, jsonBytes } from "./bytes.ts";

const words = [
  "dtype",
  "shape",
  "data_offsets",
  "__metadata__",
  "F32",
  "BF16",
  "F8_E4M3",
  "I64",
  "BOOL",
  "U8",
  "C64",
  "F4",
];

/** The header; tensors cover the data exactly; an accepted header can be laid out and read again. */
export const safetensorsHeader: FuzzTarget = {
  name: "safetensors-header",
  shape: "safetensors",
  dictionary: words,
  seeds: () => [
    ...folderBytes("fixtures/abuse/st", /\.safetensors$/, 30, 4096),
    fileBytes("packages/safetensors/test/vectors/official.safetensors"),
  ],
  run(input) {
    const header = parseHeader(input);
    const total = header.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.equal(header.dataOffset + total, input.byteLength);
    const layout = layoutSafetensors(header.tensors, header.metadata);
    const back = parseHeader(layout.header, { fileByteLength: layout.byteLength });
    assert.deepEqual(back.metadata, header.metadata);
    const facts = (tensors: typeof header.tensors): unknown =>
      tensors.map(({ name, shape, encoding }) => JSON.stringify([name, shape, encoding])).sort();
    assert.deepEqual(facts(back.tensors), facts(header.tensors));
  },
};

export const safetensorsIndex: FuzzTarget = {
  name: "safetensors-index",
  shape: "json",
  dictionary: [
    "metadata",
    "total_size",
    "weight_map",
    "model-00001-of-00002.safetensors",
    "../secret.safetensors",
  ],
  seeds: () => [
    fileBytes("fixtures/abuse/st/index-missing-shard/model.safetensors.index.json"),
    fileBytes("fixtures/abuse/st/index-traversal/model/model.safetensors.index.json"),
    jsonBytes({
      metadata: { total_size: 8 },
      weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" },
    }),
  ],
  run(input) {
    const { weightMap } = parseShardIndex(input, limitsWith(), "index");
    for (const file of weightMap.values()) assert(!/[/\\:\p{Cc}]/u.test(file) && file !== "..");
  },
};

/** An index with one existing and one missing shard. */
export const safetensorsFolder: FuzzTarget = {
  name: "safetensors-folder",
  shape: "json",
  allowed: ["FORMAT", "LIMIT", "UNSUPPORTED", "IO"],
  dictionary: safetensorsIndex.dictionary ?? [],
  seeds: () => [jsonBytes({ weight_map: { first: "shard.safetensors", second: "shard.safetensors" } })],
  async run(input) {
    const { header, byteLength } = layoutSafetensors([
      { name: "first", shape: [2], encoding: "F32" },
      { name: "second", shape: [2], encoding: "F16" },
    ]);
    const shard = new Uint8Array(byteLength);
    shard.set(header);
    const store = memoryStore();
    store.files.set("model.safetensors.index.json", input);
    store.files.set("shard.safetensors", shard);
    await (await openSafetensors(store)).close();
  },
};
