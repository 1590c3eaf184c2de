/**
 * The files of llama.cpp's own tools: read as their manifest says, and written again byte for byte.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type MetadataValue, memorySink, memorySource, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type Gguf,
  openGguf,
  openGgufFile,
  parseGguf,
  planSplit,
  splitMetadata,
  splitName,
  writeGguf,
} from "../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const models = join(golden ?? "", "gguf/models");

const manifestSchema = z.object({
  files: z.record(
    z.string(),
    z.object({
      sha256: z.string(),
      delivered: z.boolean(),
      tensors: z
        .array(z.tuple([z.string(), z.string(), z.array(z.number()), z.number(), z.string()]))
        .optional(),
    }),
  ),
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function written(options: Parameters<typeof writeGguf>[1]): Promise<Uint8Array> {
  let result: Uint8Array | undefined;
  const sink = memorySink((bytes) => {
    result = bytes;
  });
  await writeGguf(sink, options);
  await sink.close();
  return result ?? new Uint8Array(0);
}

/** `general.name` is left out: the split was made from the F16 model, the plain file from the F32 one. */
function plain(metadata: ReadonlyMap<string, MetadataValue>): unknown {
  const entries = [...metadata].filter(([key]) => key !== "general.name");
  return entries.map(([key, value]) => [
    key,
    value.type,
    value.type === "array" ? [value.elementType, Array.from<unknown>(value.value)] : value.value,
  ]);
}

describe.skipIf(!golden)("golden GGUF files (skipped: REQUANT_GOLDEN is not set)", () => {
  let files: z.infer<typeof manifestSchema>["files"] = {};
  const delivered = (): string[] =>
    Object.keys(files).filter((name) => files[name]?.delivered && files[name].tensors);

  beforeAll(() => {
    files = manifestSchema.parse(JSON.parse(readFileSync(join(models, "manifest.json"), "utf8"))).files;
  });

  it("reads the tensors that the manifest lists", () => {
    expect(delivered().length).toBeGreaterThan(20);
    for (const name of delivered()) {
      const bytes = readFileSync(join(models, name));
      const gguf = parseGguf(bytes, { path: name });
      expect(gguf.findings, name).toEqual([]);
      const found = gguf.tensors.map((tensor) => [
        tensor.name,
        tensor.encoding,
        [...tensor.shape].reverse(),
        tensor.byteOffset,
        sha256(bytes.subarray(tensor.byteOffset, tensor.byteOffset + tensor.byteLength)).slice(0, 16),
      ]);
      expect(found, name).toEqual(files[name]?.tensors);
    }
  });

  it("writes every file again, byte for byte, from its parsed header and data", async () => {
    const names = readdirSync(models, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".gguf"),
    );
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) {
      const bytes = readFileSync(join(models, name));
      const { version, littleEndian, metadata } = parseGguf(bytes, { path: name });
      const set = await openPart(bytes, name);
      const again = await written({
        version,
        littleEndian,
        metadata,
        tensors: set.tensors.map((tensor) => ({
          ...tensor,
          data: async function* () {
            yield await set.read(tensor, 0, tensor.byteLength);
          },
        })),
      });
      expect(Buffer.compare(again, bytes), name).toBe(0);
    }
  });

  it("splits as llama-gguf-split does, byte for byte", async () => {
    const source = readFileSync(join(models, "tiny-llama-F16.gguf"));
    const set = await openGguf(memorySource(source));
    const parts = planSplit(set.tensors, { maxTensorCount: 8 });
    expect(parts.map((part) => part.length)).toEqual([8, 8, 5]);
    const store = memoryStore();
    for (const [index, tensors] of parts.entries()) {
      const bytes = await written({
        metadata: splitMetadata(set.metadata, index, parts.length, set.tensors.length),
        tensors: tensors.map((tensor) => ({
          ...tensor,
          data: async function* () {
            yield await set.read(tensor, 0, tensor.byteLength);
          },
        })),
      });
      const name = splitName("tiny-llama-F16", index, parts.length);
      expect(sha256(bytes), name).toBe(files[`split/${name}`]?.sha256);
      store.files.set(name, bytes);
    }
    for (const name of store.files.keys()) {
      const again = await openGgufFile(store, name);
      expect(plain(again.metadata)).toEqual(plain(set.metadata));
      await expectSameTensors(again, set);
    }
  });

  it("makes big-endian files as llama.cpp's converter does", async () => {
    const set = await openGguf(memorySource(readFileSync(join(models, "tiny-llama-F16.gguf"))));
    const bytes = await written({
      metadata: set.metadata,
      littleEndian: false,
      tensors: set.tensors.map((tensor) => ({
        ...tensor,
        data: async function* () {
          // an odd chunk length: fields are cut between chunks
          for (let at = 0; at < tensor.byteLength; at += 777)
            yield await set.read(tensor, at, Math.min(at + 777, tensor.byteLength));
        },
      })),
    });
    expect(sha256(bytes)).toBe(files["bigendian/tiny-llama-F16-be.gguf"]?.sha256);
  });

  it("reads a big-endian file to the contents of the little-endian one", async () => {
    const store = directoryStore(models);
    const plainFile = await openGgufFile(store, "quantized/tiny-llama-Q4_K_M.gguf");
    const bigEndian = await openGgufFile(store, "bigendian/tiny-llama-Q4_K_M-be.gguf");
    expect(bigEndian.parts[0]?.littleEndian).toBe(false);
    expect(plain(bigEndian.metadata)).toEqual(plain(plainFile.metadata));
    await expectSameTensors(bigEndian, plainFile);
    await Promise.all([plainFile.close(), bigEndian.close()]);
  });

  it("reads a split that llama-quantize kept, from any of its parts", async () => {
    const folder = directoryStore(join(models, "split"));
    const names = [1, 2, 3].map((no) => `tiny-llama-Q4_K_M-0000${no}-of-00003.gguf`);
    for (const name of names) {
      const set = await openGgufFile(folder, name);
      expect(set.parts.map((part) => basename(part.name))).toEqual(names);
      expect([...set.metadata.keys()].filter((key) => key.startsWith("split."))).toEqual([]);
      expect(set.metadata.get("general.architecture")?.value).toBe("llama");
      const found = await Promise.all(
        set.tensors.map(async (tensor) => [
          tensor.name,
          sha256(await set.read(tensor, 0, tensor.byteLength)).slice(0, 16),
        ]),
      );
      const expected = names.flatMap((part) => files[`split/${part}`]?.tensors ?? []);
      expect(found).toEqual(expected.map((tensor) => [tensor[0], tensor[4]]));
      await set.close();
    }
  });

  async function expectSameTensors(found: Gguf, expected: Gguf): Promise<void> {
    expect(found.tensors.map(({ name, shape, encoding }) => ({ name, shape, encoding }))).toEqual(
      expected.tensors.map(({ name, shape, encoding }) => ({ name, shape, encoding })),
    );
    for (const [i, tensor] of found.tensors.entries()) {
      const other = expected.tensors[i];
      if (other === undefined) throw new Error("fewer tensors");
      const bytes = await expected.read(other, 0, other.byteLength);
      expect(Buffer.compare(await found.read(tensor, 0, tensor.byteLength), bytes), tensor.name).toBe(0);
      // a range that begins and ends inside blocks
      expect(Buffer.compare(await found.read(tensor, 1, 301), bytes.subarray(1, 301)), tensor.name).toBe(0);
    }
  }

  async function openPart(bytes: Uint8Array, name: string): Promise<Gguf> {
    // one part of a split cannot be opened as a model: the header serves, with a reader of its own
    const parsed = parseGguf(bytes, { path: name });
    if (dirname(name) !== "split") return openGguf(memorySource(bytes, name));
    return {
      parts: [],
      metadata: parsed.metadata,
      tensors: parsed.tensors.map((tensor) => ({ ...tensor, part: 0 })),
      read: async (tensor, start, end) => bytes.subarray(tensor.byteOffset + start, tensor.byteOffset + end),
      readInto: async (tensor, start, target) => {
        target.set(bytes.subarray(tensor.byteOffset + start, tensor.byteOffset + start + target.byteLength));
      },
      close: async () => {},
    };
  }
});
