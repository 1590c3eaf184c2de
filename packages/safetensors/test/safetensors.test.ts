import { memorySink, memorySource, memoryStore } from "@requant/core";
import { countingSource } from "@requant/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dtypeBits,
  dtypes,
  layoutSafetensors,
  openSafetensors,
  parseHeader,
  planShards,
  readHeader,
  serializeShardIndex,
  writeSafetensors,
} from "../src/index.ts";

const tensorsArbitrary = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "binary", maxLength: 8 }).filter((name) => name !== "__metadata__"),
    encoding: fc.constantFrom(...dtypes),
    // multiples of 8 elements fill whole bytes in every dtype
    shape: fc.array(fc.nat(3), { maxLength: 3 }).map((sizes) => [...sizes, 8]),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
);

/** Bytes of a tensor, by the rule of the specification. */
const byteLengthOf = ({ shape, encoding }: { shape: readonly number[]; encoding: string }): number =>
  (shape.reduce((product, size) => product * size, 1) * (dtypeBits[encoding] ?? 0)) / 8;

describe("a file that is cut off in its header", () => {
  it.each([
    ["640 bytes long, whose length begins as a pickle does", 640],
    ["of 3200 bytes, whose length begins with a pickle's mark", 3200],
  ])("%s, is no pickle", (_, byteLength) => {
    const bytes = new Uint8Array(100).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(byteLength), true);
    bytes[8] = 0x7b;
    expect(() => parseHeader(bytes)).toThrow(`The header length is ${byteLength}, but the file has only 100`);
  });
});

describe("layout", () => {
  it("is the same after parsing, and follows the official rules", () => {
    fc.assert(
      fc.property(
        tensorsArbitrary,
        fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined }),
        (tensors, metadata) => {
          const layout = layoutSafetensors(tensors, metadata);
          const parsed = parseHeader(layout.header, { fileByteLength: layout.byteLength });
          expect(parsed.tensors).toEqual(layout.tensors);
          expect({ ...parsed.metadata }).toEqual({ ...metadata });
          expect(layout.dataOffset % 8).toBe(0);
          expect(layout.byteLength).toBe(
            layout.dataOffset + tensors.reduce((sum, tensor) => sum + byteLengthOf(tensor), 0),
          );
          const ranks = layout.tensors.map(({ encoding }) => dtypes.indexOf(encoding));
          expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
        },
      ),
    );
  });

  it("refuses names and shapes that cannot be stored", () => {
    const tensor = { name: "a", shape: [1], encoding: "U8" };
    expect(() => layoutSafetensors([tensor, tensor])).toThrow("The tensor name is given twice.");
    expect(() => layoutSafetensors([{ ...tensor, name: "__metadata__" }])).toThrow("cannot be called");
    expect(() => layoutSafetensors([{ ...tensor, shape: [-1] }])).toThrow("The shape [-1] cannot be stored.");
    expect(() => layoutSafetensors([{ ...tensor, encoding: "Q4_K" }])).toThrow('"Q4_K" is not a dtype');
  });
});

describe("writing and reading", () => {
  it("gives back the data, pulled tensor by tensor", async () => {
    const store = memoryStore();
    const sink = await store.create("model.safetensors");
    const pulled: string[] = [];
    const tensor = (name: string, encoding: string, values: readonly number[]) => ({
      name,
      encoding,
      shape: [values.length],
      data: function* () {
        pulled.push(name);
        for (const value of values) yield Uint8Array.of(value);
      },
    });
    await writeSafetensors(sink, [tensor("b", "U8", [1, 2]), tensor("c", "I8", [3]), tensor("a", "U8", [4])]);
    await sink.close();
    expect(pulled).toEqual(["c", "a", "b"]);
    const set = await openSafetensors(store);
    const read = await Promise.all(
      set.tensors.map(async (one) => [one.name, ...(await set.read(one, 0, one.byteLength))]),
    );
    expect(read).toEqual([
      ["c", 3],
      ["a", 4],
      ["b", 1, 2],
    ]);
    const b = set.tensors[2];
    if (b === undefined) throw new Error("no tensor");
    expect([...(await set.read(b, 1, 2))]).toEqual([2]);
    await expect(set.read(b, 1, 3)).rejects.toThrow("Bytes 1 to 3 are not inside the tensor's 2.");
  });

  it.each([
    ["too few", [Uint8Array.of(1)], "its data has 1"],
    ["too many", [Uint8Array.of(1, 2), Uint8Array.of(3)], "its data has at least 3"],
  ])("refuses %s bytes", async (_, data, message) => {
    const sink = memorySink(() => {});
    const tensor = { name: "a", shape: [2], encoding: "U8", data };
    await expect(writeSafetensors(sink, [tensor])).rejects.toThrow(message);
  });

  it("stops at a signal", async () => {
    const signal = AbortSignal.abort();
    await expect(
      writeSafetensors(
        memorySink(() => {}),
        [],
        { signal },
      ),
    ).rejects.toThrow("aborted");
  });
});

describe("readHeader", () => {
  it.each([
    [1, 1],
    [5000, 2],
  ])("of %i tensors costs %i reads", async (count, reads) => {
    const tensors = Array.from({ length: count }, (_, i) => ({ name: `t${i}`, shape: [1], encoding: "F32" }));
    const { header, byteLength } = layoutSafetensors(tensors);
    const bytes = new Uint8Array(byteLength);
    bytes.set(header);
    const source = countingSource(memorySource(bytes));
    expect((await readHeader(source)).tensors.length).toBe(count);
    expect(source.reads).toBe(reads);
    expect(source.bytes).toBeLessThanOrEqual(Math.max(header.byteLength, 64 * 1024));
  });
});

describe("planShards", () => {
  const tensors = [3, 9, 4, 4, 1, 6].map((byteLength, i) => ({ name: `t${i}`, byteLength }));

  it("fills files in order, a larger tensor alone", () => {
    // as huggingface_hub's split_state_dict_into_shards_factory with max_shard_size=8
    const { files, index } = planShards(tensors, 8);
    expect(files.map(({ name, tensors: held }) => [name, ...held.map((tensor) => tensor.name)])).toEqual([
      ["model-00001-of-00004.safetensors", "t1"],
      ["model-00002-of-00004.safetensors", "t0", "t2"],
      ["model-00003-of-00004.safetensors", "t3", "t4"],
      ["model-00004-of-00004.safetensors", "t5"],
    ]);
    expect(index?.name).toBe("model.safetensors.index.json");
    expect(JSON.parse(index?.text ?? "")).toEqual({
      metadata: { total_size: 27 },
      weight_map: {
        t0: "model-00002-of-00004.safetensors",
        t1: "model-00001-of-00004.safetensors",
        t2: "model-00002-of-00004.safetensors",
        t3: "model-00003-of-00004.safetensors",
        t4: "model-00003-of-00004.safetensors",
        t5: "model-00004-of-00004.safetensors",
      },
    });
  });

  it("makes one file without an index when all fits", () => {
    expect(planShards(tensors, 27)).toEqual({
      files: [{ name: "model.safetensors", tensors }],
      index: undefined,
    });
    expect(planShards([], 27).files).toEqual([{ name: "model.safetensors", tensors: [] }]);
  });

  it("writes the index as Python's json.dumps(indent=2, sort_keys=True) does", () => {
    // python3 -c 'import json; print(json.dumps({"metadata": {"total_size": 5}, "weight_map": {"b\u007f": "x", "é😀": "y", "\uffff": "z"}}, indent=2, sort_keys=True))'
    const map = new Map([
      ["é😀", "y"],
      ["\uffff", "z"],
      ["b\u007f", "x"],
    ]);
    expect(serializeShardIndex(map, 5)).toBe(
      '{\n  "metadata": {\n    "total_size": 5\n  },\n  "weight_map": {\n    "b\\u007f": "x",\n    "\\u00e9\\ud83d\\ude00": "y",\n    "\\uffff": "z"\n  }\n}\n',
    );
  });
});

describe("exllamav2's files, which have no index", () => {
  async function folder(...names: string[]) {
    const store = memoryStore({ name: "exl2" });
    for (const [index, name] of names.entries()) {
      const sink = await store.create(name);
      await writeSafetensors(sink, [
        { name: `t${index}`, shape: [1], encoding: "U8", data: [Uint8Array.of(index)] },
      ]);
      await sink.close();
    }
    return store;
  }

  it("are found beside other safetensors, whole or in shards, by folder or by any shard", async () => {
    const single = await openSafetensors(await folder("hidden_states.safetensors", "output.safetensors"));
    expect(single.tensors.map(({ file }) => file)).toEqual(["output.safetensors"]);
    const shards = await folder(
      "output-00001-of-00002.safetensors",
      "output-00002-of-00002.safetensors",
      "hidden_states.safetensors",
    );
    for (const options of [{}, { file: "output-00002-of-00002.safetensors" }]) {
      const set = await openSafetensors(shards, options);
      expect(set.tensors.map(({ name }) => name)).toEqual(["t0", "t1"]);
      expect(set.findings).toEqual([]);
    }
  });

  it("a missing shard is named", async () => {
    const store = await folder("output-00001-of-00003.safetensors", "output-00003-of-00003.safetensors");
    await expect(openSafetensors(store)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("output-00002-of-00003.safetensors"),
    });
  });
});

describe("given order", () => {
  it("is kept, in the header and in the data", async () => {
    const store = memoryStore();
    const sink = await store.create("model.safetensors");
    const tensor = (name: string, encoding: string) => ({
      name,
      encoding,
      shape: [8],
      data: [new Uint8Array((8 * (dtypeBits[encoding] ?? 0)) / 8).fill(name.charCodeAt(0))],
    });
    await writeSafetensors(sink, [tensor("b", "F16"), tensor("a", "U8"), tensor("c", "I64")], {
      order: "given",
    });
    await sink.close();
    const set = await openSafetensors(store);
    expect(
      set.tensors.map(({ name, byteOffset }) => [name, byteOffset - (set.tensors[0]?.byteOffset ?? 0)]),
    ).toEqual([
      ["b", 0],
      ["a", 16],
      ["c", 24],
    ]);
    const [, , last] = set.tensors;
    if (last === undefined) throw new Error("no tensor");
    expect((await set.read(last, 0, 2))[0]).toBe("c".charCodeAt(0));
  });
});
