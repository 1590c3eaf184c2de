import {
  type ByteSource,
  type Metadata,
  type MetadataArray,
  type MetadataValue,
  memorySink,
  memorySource,
} from "@requant/core";
import { countingSource } from "@requant/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeText,
  encodeText,
  type GgufTensorData,
  layoutGguf,
  parseGguf,
  parseSplitName,
  planSplit,
  readGguf,
  splitName,
  storedElements,
  swapBlocks,
  tensorTypeById,
  tensorTypeByName,
  tensorTypes,
  writeGguf,
} from "../src/index.ts";

/** The arrays' values in a form that compares by content, lazy or not, and by bits (NaN, -0). */
function plain(metadata: Metadata): unknown {
  return [...metadata].map(([key, value]) => [key, plainValue(value)]);
}

function plainValue(value: MetadataValue): unknown {
  if (value.type !== "array") return [value.type, value.value];
  const elements: readonly unknown[] =
    value.elementType === "array" ? value.value.map(plainValue) : Array.from<unknown>(value.value);
  return [value.type, value.elementType, value.length, elements];
}

// strings in the form that decoding gives: any bytes
const text = fc
  .oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.uint8Array().map(decodeText))
  .filter((value) => decodeText(encodeText(value)) === value);
const f32 = fc.float({ noNaN: false });
const integers = {
  u8: fc.integer({ min: 0, max: 0xff }),
  i8: fc.integer({ min: -0x80, max: 0x7f }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  i16: fc.integer({ min: -0x8000, max: 0x7fff }),
  u32: fc.integer({ min: 0, max: 0xffffffff }),
  i32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  f32,
  f64: fc.double(),
} as const;
const bigints = {
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
} as const;
const numberType = fc.constantFrom("u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64");
const bigintType = fc.constantFrom("u64", "i64");

const scalar: fc.Arbitrary<MetadataValue> = fc.oneof(
  numberType.chain((type) => integers[type].map((value) => ({ type, value }))),
  bigintType.chain((type) => bigints[type].map((value) => ({ type, value }))),
  fc.boolean().map((value) => ({ type: "bool", value }) as const),
  text.map((value) => ({ type: "string", value }) as const),
);

const flatArray: fc.Arbitrary<MetadataArray> = fc.oneof(
  numberType.chain((elementType) =>
    fc
      .array(integers[elementType])
      .map((value) => ({ type: "array" as const, elementType, length: value.length, value })),
  ),
  bigintType.chain((elementType) =>
    fc
      .array(bigints[elementType])
      .map((value) => ({ type: "array" as const, elementType, length: value.length, value })),
  ),
  fc
    .array(fc.boolean())
    .map((value) => ({ type: "array", elementType: "bool", length: value.length, value }) as const),
  fc
    .array(text)
    .map((value) => ({ type: "array", elementType: "string", length: value.length, value }) as const),
);

const nestedArray: fc.Arbitrary<MetadataArray> = fc
  .array(flatArray, { maxLength: 3 })
  .map((value) => ({ type: "array", elementType: "array", length: value.length, value }));

const key = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .filter((name) => !name.includes("\0") && name !== "general.alignment");

const metadataArbitrary: fc.Arbitrary<Metadata> = fc
  .array(fc.tuple(key, fc.oneof(scalar, flatArray, nestedArray)), { maxLength: 8 })
  .map((entries) => new Map(entries));

const tensorsArbitrary = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 20 }).filter((name) => !name.includes("\0")),
    type: fc.constantFrom(...tensorTypes),
    outer: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    blocks: fc.integer({ min: 0, max: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

const formArbitrary = fc.record({
  version: fc.constantFrom(2, 3),
  littleEndian: fc.boolean(),
  alignment: fc.constantFrom(undefined, 1, 8, 32, 4096),
});

describe("a header", () => {
  it("is the same after serializing and parsing, in every form", () => {
    fc.assert(
      fc.property(metadataArbitrary, tensorsArbitrary, formArbitrary, (metadata, recipes, form) => {
        const tensors = recipes.map(({ name, type, outer, blocks }) => ({
          name,
          shape: [...outer, blocks * type.blockSize],
          encoding: type.name,
        }));
        const layout = layoutGguf({ metadata, tensors, ...form });
        const parsed = parseGguf(layout.header, { fileByteLength: layout.byteLength });
        expect(plain(parsed.metadata)).toEqual(plain(layout.metadata));
        const { header, metadata: _, ...facts } = layout;
        expect(parsed).toMatchObject(facts);
        // and serialized back to the same bytes
        expect(layoutGguf({ ...form, metadata: parsed.metadata, tensors: parsed.tensors }).header).toEqual(
          header,
        );
        // or to those of the other byte order
        const turned = { ...form, littleEndian: !form.littleEndian };
        expect(layoutGguf({ ...turned, metadata: parsed.metadata, tensors }).header).toEqual(
          layoutGguf({ ...turned, metadata, tensors }).header,
        );
        for (const [i, { name, shape, encoding }] of parsed.tensors.entries())
          expect({ name, shape, encoding }).toEqual(tensors[i]);
      }),
    );
  });

  it("has the requested alignment in its metadata", () => {
    const metadata: Metadata = new Map([["a", { type: "u8", value: 1 }]]);
    expect(layoutGguf({ metadata, tensors: [], alignment: 32 }).metadata).toBe(metadata);
    const { alignment, metadata: stated } = layoutGguf({ metadata, tensors: [], alignment: 64 });
    expect([alignment, stated.get("general.alignment")]).toEqual([64, { type: "u32", value: 64 }]);
    expect(() => layoutGguf({ metadata: stated, tensors: [], alignment: 32 })).toThrow(
      "the metadata says 64",
    );
    expect(() => layoutGguf({ metadata, tensors: [], alignment: 24 })).toThrow("not a power of two");
  });

  it("decodes arrays on first use only, and once", () => {
    const value = ["a", "b"];
    const metadata: Metadata = new Map([
      ["tokens", { type: "array", elementType: "string", length: 2, value }],
    ]);
    const { header } = layoutGguf({ metadata, tensors: [] });
    const parsed = parseGguf(header).metadata.get("tokens");
    // the bytes change after parsing: what is decoded now shows it
    header[header.lastIndexOf(97)] = 122;
    const first = parsed?.value;
    expect(first).toEqual(["z", "b"]);
    expect(parsed?.value).toBe(first);
    // the decoded values stay unchanged: they are frozen, and writing gives the same bytes
    header.fill(0);
    if (parsed === undefined) throw new Error("no tokens");
    expect(
      parseGguf(layoutGguf({ metadata: new Map([["tokens", parsed]]), tensors: [] }).header),
    ).toMatchObject({
      metadata: new Map([["tokens", { value: ["z", "b"] }]]),
    });
    expect(Object.isFrozen(first)).toBe(true);
  });

  it("refuses values that it cannot hold", () => {
    const refuse = (
      tensor: { name: string; shape: readonly number[]; encoding: string },
      more: readonly (typeof tensor)[] = [],
    ) => expect(() => layoutGguf({ metadata: new Map(), tensors: [tensor, ...more] }));
    const good = { name: "a", shape: [32], encoding: "Q8_0" };
    refuse(good, [good]).toThrow("given twice");
    refuse({ ...good, name: "n".repeat(65) }).toThrow("cannot be a tensor name");
    refuse({ ...good, shape: [31] }).toThrow("not a multiple of the 32");
    refuse({ ...good, shape: [1, 1, 1, 1, 32] }).toThrow("cannot be stored");
    refuse({ ...good, shape: [-1, 32] }).toThrow("cannot be stored");
    refuse({ ...good, encoding: "Q4_2" }).toThrow("was removed from ggml");
    refuse({ ...good, encoding: "IQ4_KS" }).toThrow("belongs to ik_llama.cpp");
    refuse({ ...good, encoding: "q8_0" }).toThrow("is not a ggml tensor type");
    const value: MetadataValue = { type: "u8", value: 256 };
    expect(() => layoutGguf({ metadata: new Map([["a", value]]), tensors: [] })).toThrow(
      "256 is not a value of type u8",
    );
    expect(() => layoutGguf({ metadata: new Map(), tensors: [], version: 1 })).toThrow("cannot be written");
  });
});

describe("text", () => {
  it("of any bytes is written back as those bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect([...encodeText(decodeText(bytes))]).toEqual([...bytes]);
      }),
    );
  });

  it("keeps valid parts readable", () => {
    // an overlong form, a surrogate, a cut sequence and a byte-order mark
    const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 97, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xc3, 0xa9, 0xe2, 0x82);
    expect(decodeText(bytes)).toBe("\ufeffa\udcc0\udcaf\udced\udca0\udc80é\udce2\udc82");
    expect(encodeText(decodeText(bytes))).toEqual(bytes);
    expect(() => encodeText("\ud800")).toThrow("lone surrogate U+D800");
  });
});

describe("writeGguf", () => {
  const write = async (tensors: readonly GgufTensorData[], littleEndian = true): Promise<Uint8Array> => {
    let result: Uint8Array | undefined;
    const sink = memorySink((bytes) => {
      result = bytes;
    });
    await writeGguf(sink, { metadata: new Map(), tensors, littleEndian });
    await sink.close();
    return result ?? new Uint8Array(0);
  };

  it("pads every tensor, in both byte orders, whatever the chunks", async () => {
    const data = Uint8Array.from({ length: 68 }, (_, i) => i);
    for (const littleEndian of [true, false]) {
      for (const step of [1, 7, 34, 68]) {
        const chunks = Array.from({ length: Math.ceil(68 / step) }, (_, i) =>
          data.slice(i * step, (i + 1) * step),
        );
        const file = await write(
          [
            { name: "a", shape: [2, 32], encoding: "Q8_0", data: chunks },
            { name: "b", shape: [], encoding: "I8", data: () => [Uint8Array.of(9)] },
          ],
          littleEndian,
        );
        const [a, b] = parseGguf(file).tensors;
        if (a === undefined || b === undefined) throw new Error("no tensors");
        const expected = littleEndian
          ? data
          : Uint8Array.from(data, (value, i) => (i % 34 < 2 ? i + (i % 2 === 0 ? 1 : -1) : value));
        expect(file.subarray(a.byteOffset, a.byteOffset + 68)).toEqual(expected);
        expect([...file.subarray(a.byteOffset + 68, b.byteOffset)]).toEqual(
          Array.from({ length: 28 }, () => 0),
        );
        expect([...file.subarray(b.byteOffset)]).toEqual([9, ...Array.from({ length: 31 }, () => 0)]);
      }
    }
  });

  it.each([
    ["too few", [new Uint8Array(33)], "its data has 33"],
    ["too many", [new Uint8Array(34), new Uint8Array(1)], "its data has"],
  ])("refuses %s bytes", async (_, data, message) => {
    const tensor = { name: "a", shape: [32], encoding: "Q8_0", data };
    await expect(write([tensor])).rejects.toThrow(message);
    await expect(write([tensor], false)).rejects.toThrow(message);
  });

  it("stops at a signal", async () => {
    const stop = new AbortController();
    const data = function* () {
      yield new Uint8Array(4);
      stop.abort();
      yield new Uint8Array(4);
    };
    const sink = memorySink(() => {});
    const tensors = [{ name: "a", shape: [2], encoding: "F32", data }];
    await expect(writeGguf(sink, { metadata: new Map(), tensors, signal: stop.signal })).rejects.toThrow(
      "abort",
    );
  });
});

/** A file of this length of which only the start has bytes: the rest is zeros, never allocated. */
function sparseSource(start: Uint8Array, byteLength: number): ByteSource {
  const readInto = async (target: Uint8Array, from: number): Promise<void> => {
    target.fill(0);
    target.set(start.subarray(from, from + target.byteLength));
  };
  return {
    name: "sparse.gguf",
    byteLength,
    async read(from, to) {
      const bytes = new Uint8Array(to - from);
      await readInto(bytes, from);
      return bytes;
    },
    readInto,
    async close() {},
  };
}

describe("an array of strings", () => {
  const texts = ["", "a", "é", "漢", "\u07ff\u0800", "\uffff", "😀", "a😀b", "\udcc0\udcff", "\ufeffx", "\0"];
  /** More than are written at once. */
  const many = Array.from({ length: 5000 }, (_, i) => texts[i % texts.length] ?? "");
  const metadata = new Map<string, MetadataValue>([
    ["t", { type: "array", elementType: "string", length: many.length, value: many }],
  ]);

  it.each([true, false])("comes back, little-endian: %s", (littleEndian) => {
    const { header } = layoutGguf({ metadata, tensors: [], littleEndian });
    expect(parseGguf(header).metadata.get("t")?.value).toEqual(many);
  });

  it("has the bytes that UTF-8 gives each of them", () => {
    const valid = many.filter((text) => !text.includes("\udcc0"));
    const { header } = layoutGguf({
      metadata: new Map([
        ["t", { type: "array", elementType: "string", length: valid.length, value: valid }],
      ]),
      tensors: [],
    });
    const expected = valid.map((text) => {
      const length = Buffer.alloc(8);
      length.writeUInt32LE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    });
    const found = header.subarray(24 + 8 + 1 + 4 + 4 + 8);
    const bytes = Buffer.concat(expected);
    expect(bytes.equals(found.subarray(0, bytes.length))).toBe(true);
  });

  it("refuses a lone surrogate that means no byte", () => {
    const value = ["a", "\ud800"];
    expect(() =>
      layoutGguf({
        metadata: new Map([["t", { type: "array", elementType: "string", length: 2, value }]]),
        tensors: [],
      }),
    ).toThrow("lone surrogate U+D800");
  });
});

describe("readGguf", () => {
  /** A 10 GB model with the header of a large one: 256k tokens and merges, 1000 tensors. */
  const tokens = Array.from({ length: 256_000 }, (_, i) => `token ${i}`);
  const layout = layoutGguf({
    metadata: new Map<string, MetadataValue>([
      ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
      [
        "tokenizer.ggml.tokens",
        { type: "array", elementType: "string", length: tokens.length, value: tokens },
      ],
      [
        "scores",
        { type: "array", elementType: "f32", length: tokens.length, value: new Float32Array(tokens.length) },
      ],
      [
        "tokenizer.ggml.merges",
        { type: "array", elementType: "string", length: tokens.length, value: tokens },
      ],
    ]),
    tensors: Array.from({ length: 1000 }, (_, i) => ({
      name: `blk.${i}.weight`,
      shape: [4096, 4096],
      encoding: "Q4_K",
    })),
  });

  it("of a 10 GB file costs two reads of little more than its header", async () => {
    expect(layout.byteLength).toBeGreaterThan(9e9);
    const source = countingSource(sparseSource(layout.header, layout.byteLength));
    const gguf = await readGguf(source);
    expect(gguf.tensors).toEqual(layout.tensors);
    expect(gguf.metadata.get("tokenizer.ggml.merges")?.value).toEqual(tokens);
    expect(source.reads).toBe(2);
    expect(source.bytes).toBeLessThan(2 * layout.dataOffset);
    expect(source.bytes).toBeLessThan(32e6);
  });

  it("keeps the bytes of the metadata alone where a table of many tensors follows them", async () => {
    const few: MetadataValue = { type: "array", elementType: "string", length: 2, value: ["a", "b"] };
    const { header, byteLength } = layoutGguf({
      metadata: new Map([["tokenizer.ggml.tokens", few]]),
      tensors: Array.from({ length: 20_000 }, (_, i) => ({
        name: `blk.${i}.weight`,
        shape: [32],
        encoding: "Q8_0",
      })),
    });
    expect(header.byteLength).toBeGreaterThan(500_000);
    const { metadata } = await readGguf(sparseSource(header, byteLength));
    const tokens = metadata.get("tokenizer.ggml.tokens");
    const stored = tokens?.type === "array" ? storedElements(tokens) : undefined;
    expect(stored?.bytes.buffer.byteLength).toBeLessThan(200);
    expect(tokens?.value).toEqual(["a", "b"]);
  });

  it("costs a few reads more where the tokens do not predict the rest", async () => {
    const many: MetadataValue = {
      type: "array",
      elementType: "string",
      length: 4 * tokens.length,
      value: [tokens, tokens, tokens, tokens].flat(),
    };
    const { header, tensors, byteLength, dataOffset } = layoutGguf({
      metadata: new Map([...layout.metadata, ["tokenizer.ggml.merges", many]]),
      tensors: layout.tensors,
    });
    const source = countingSource(sparseSource(header, byteLength));
    const gguf = await readGguf(source);
    expect(gguf.tensors).toEqual(tensors);
    expect(gguf.metadata.get("tokenizer.ggml.merges")?.value).toEqual(many.value);
    expect(source.reads).toBeLessThanOrEqual(4);
    expect(source.bytes).toBeLessThan(2 * dataOffset);
  });

  it("of a file with a small header costs one read", async () => {
    const { header, byteLength } = layoutGguf({ metadata: new Map(), tensors: layout.tensors.slice(0, 100) });
    const source = countingSource(sparseSource(header, byteLength));
    await readGguf(source);
    expect([source.reads, source.bytes]).toEqual([1, 256 * 1024]);
  });

  it("stops at a signal", async () => {
    await expect(readGguf(memorySource(layout.header), { signal: AbortSignal.abort() })).rejects.toThrow(
      "aborted",
    );
  });
});

describe("the table of tensor types", () => {
  it("has every id once, whole fields inside blocks, and finds by id and name", () => {
    expect(new Set(tensorTypes.map(({ id }) => id)).size).toBe(35);
    for (const type of tensorTypes) {
      expect(tensorTypeById(type.id)).toBe(type);
      expect(tensorTypeByName(type.name)).toBe(type);
      let end = 0;
      for (const [offset, width, count] of type.fields) {
        expect(offset).toBeGreaterThanOrEqual(end);
        end = offset + width * count;
      }
      expect(end).toBeLessThanOrEqual(type.blockByteLength);
    }
  });

  it("states the bytes that a big-endian block swaps", () => {
    for (const type of tensorTypes) {
      const blocks = Uint8Array.from(
        { length: 2 * type.blockByteLength },
        (_, i) => (i % type.blockByteLength) & 255,
      );
      const swapped = swapBlocks(blocks, type);
      expect(swapBlocks(swapped, type)).toEqual(blocks);
      const turned = type.fields.reduce((sum, [, width, count]) => sum + width * count, 0);
      expect(swapped.filter((value, i) => value !== blocks[i]).length).toBe(2 * turned);
    }
    const q6K = tensorTypeByName("Q6_K");
    const block = new Uint8Array(210);
    block.set([0x34, 0x12], 208);
    expect([...swapBlocks(block, q6K).subarray(206)]).toEqual([0, 0, 0x12, 0x34]);
    expect(() => swapBlocks(block.subarray(1), q6K)).toThrow("not whole Q6_K blocks");
  });
});

describe("splits", () => {
  it("are named as llama.cpp names them", () => {
    expect(splitName("m", 1, 12)).toBe("m-00002-of-00012.gguf");
    expect(parseSplitName("a-b-00002-of-00012.gguf")).toEqual({ prefix: "a-b", index: 1, count: 12 });
    expect(parseSplitName("..-00001-of-00002.gguf")).toEqual({ prefix: "..", index: 0, count: 2 });
    for (const name of [
      "m.gguf",
      "m-2-of-3.gguf",
      "m-00000-of-00002.gguf",
      "m-00003-of-00002.gguf",
      "m-00001-of-00002.bin",
    ])
      expect(parseSplitName(name)).toBeUndefined();
  });

  it("are planned by count, by size, and with a first part of metadata only", () => {
    const tensors = [8, 16, 8, 8].map((length, i) => ({ name: `t${i}`, shape: [length], encoding: "F32" }));
    const plan = (options: Parameters<typeof planSplit>[1]): number[] =>
      planSplit(tensors, options).map((part) => part.length);
    expect(plan({})).toEqual([4]);
    expect(plan({ maxTensorCount: 3 })).toEqual([3, 1]);
    expect(plan({ maxTensorCount: 3, noTensorFirstSplit: true })).toEqual([0, 3, 1]);
    expect(plan({ maxByteLength: 96 })).toEqual([2, 2]);
    expect(plan({ maxByteLength: 95 })).toEqual([1, 1, 2]);
    expect(plan({ maxByteLength: 32 })).toEqual([1, 1, 1, 1]);
    expect(() => plan({ maxTensorCount: 0 })).toThrow("maxTensorCount is 0");
  });
});
