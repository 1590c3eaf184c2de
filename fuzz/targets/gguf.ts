import assert from "node:assert/strict";
import { memorySink, memorySource, memoryStore } from "../../packages/core/src/index.ts";
import {
  layoutGguf,
  openGgufFile,
  parseGguf,
  readImatrix,
  writeImatrix,
} from "../../packages/gguf/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { fileBytes, folderBytes } from "./bytes.ts";
import { arrayPlain } from "./plain.ts";

const abuse = "fixtures/abuse/gguf";

/** A file of each kind that the set has: valid, odd, and refused for one reason each. */
function ggufSeeds(): Uint8Array[] {
  return folderBytes(abuse, /\.gguf$/, 40, 4096);
}

const words = [
  "GGUF",
  "general.alignment",
  "general.architecture",
  "tokenizer.ggml.tokens",
  "split.count",
  "split.no",
  "split.tensors.count",
  "__proto__",
];

/** The header and every value in it; an accepted header can be written and read again. */
export const ggufHeader: FuzzTarget = {
  name: "gguf-header",
  dictionary: words,
  seeds: ggufSeeds,
  run(input) {
    const file = parseGguf(input);
    for (const { byteOffset, byteLength } of file.tensors)
      assert(byteOffset >= file.dataOffset && byteOffset + byteLength <= input.byteLength);
    const plain = arrayPlain(file.metadata);
    const again = layoutGguf({
      metadata: file.metadata,
      tensors: file.tensors,
      version: file.version,
      littleEndian: file.littleEndian,
    });
    const back = parseGguf(again.header, { fileByteLength: again.byteLength });
    assert.deepEqual(arrayPlain(back.metadata), plain);
    const shapes = (list: typeof file.tensors): unknown =>
      list.map(({ name, shape, encoding }) => [name, shape, encoding]);
    assert.deepEqual(shapes(back.tensors), shapes(file.tensors));
  },
};

/** Two parts in one input: the first four bytes are the length of the first. */
export const ggufSplit: FuzzTarget = {
  name: "gguf-split",
  dictionary: words,
  maxByteLength: 8192,
  // a missing part is an IO fault of the folder
  allowed: ["FORMAT", "LIMIT", "UNSUPPORTED", "IO"],
  seeds: () =>
    ["split-valid-first-empty", "split-no-duplicate"].map((folder) =>
      joined(
        ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"].map((name) =>
          fileBytes(`${abuse}/${folder}/${name}`),
        ),
      ),
    ),
  async run(input) {
    const [first, second] = parted(input);
    const store = memoryStore();
    store.files.set("m-00001-of-00002.gguf", first);
    store.files.set("m-00002-of-00002.gguf", second);
    const set = await openGgufFile(store, "m-00001-of-00002.gguf");
    for (const tensor of set.tensors) await set.read(tensor, 0, tensor.byteLength);
    await set.close();
  },
};

function joined([first = new Uint8Array(0), second = new Uint8Array(0)]: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(4 + first.length + second.length);
  new DataView(bytes.buffer).setUint32(0, first.length, true);
  bytes.set(first, 4);
  bytes.set(second, 4 + first.length);
  return bytes;
}

function parted(input: Uint8Array): [Uint8Array, Uint8Array] {
  if (input.length < 4) return [input, new Uint8Array(0)];
  const length = new DataView(input.buffer, input.byteOffset).getUint32(0, true);
  return [input.slice(4, 4 + length), input.slice(Math.min(4 + length, input.length))];
}

/** Both forms; a matrix that was read can be written in the same form. */
export const imatrix: FuzzTarget = {
  name: "imatrix",
  dictionary: [
    "GGUF",
    "imatrix",
    "imatrix.datasets",
    "imatrix.chunk_count",
    "imatrix.chunk_size",
    ".in_sum2",
    ".counts",
  ],
  seeds: () => [
    fileBytes(`${abuse}/imatrix-valid/imatrix.gguf`),
    fileBytes(`${abuse}/imatrix-short/imatrix.gguf`),
    datSeed(),
  ],
  async run(input) {
    const matrix = await readImatrix(memorySource(input, "imatrix"));
    let written = new Uint8Array(0);
    const sink = memorySink((bytes) => {
      written = bytes;
    }, "again");
    await writeImatrix(sink, matrix);
    await sink.close();
    assert(written.length > 0);
  },
};

/** One entry of two values, a chunk count and a dataset. */
function datSeed(): Uint8Array {
  const bytes = new Uint8Array(4 + 4 + 1 + 4 + 4 + 8 + 4 + 4 + 1);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 1, true);
  view.setInt32(4, 1, true);
  bytes[8] = 0x77;
  view.setInt32(9, 3, true);
  view.setInt32(13, 2, true);
  view.setFloat32(17, 1.5, true);
  view.setFloat32(21, 2.5, true);
  view.setInt32(25, 4, true);
  view.setInt32(29, 1, true);
  bytes[33] = 0x64;
  return bytes;
}
