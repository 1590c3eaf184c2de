/** Splits whose parts do not belong together. */
import { isCodecError, type MemoryStore, memorySource, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { layoutGguf, openGguf, openGgufFile, splitMetadata, splitName } from "../../src/index.ts";

interface Part {
  readonly no?: number;
  readonly count?: number;
  readonly total?: number;
  readonly tensors?: readonly string[];
}

function part({ no = 0, count = 2, total = 2, tensors = [] }: Part): Uint8Array {
  const { header, byteLength } = layoutGguf({
    metadata: splitMetadata(new Map(), no, count, total),
    tensors: tensors.map((name) => ({ name, shape: [8], encoding: "F32" })),
  });
  const bytes = new Uint8Array(byteLength);
  bytes.set(header);
  return bytes;
}

function folder(...parts: readonly Part[]): MemoryStore {
  const store = memoryStore();
  for (const [i, one] of parts.entries()) store.files.set(splitName("m", i, parts.length), part(one));
  return store;
}

async function refusal(store: MemoryStore, name = splitName("m", 0, 2)): Promise<string> {
  try {
    const set = await openGgufFile(store, name);
    return `accepted ${set.tensors.map((tensor) => `${tensor.name}@${tensor.part}`).join(" ")}`;
  } catch (error) {
    if (isCodecError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const good = [{ tensors: ["a"] }, { no: 1, tensors: ["b"] }] as const;

describe("a split", () => {
  it("is read from any part", async () => {
    expect(await refusal(folder(...good))).toBe("accepted a@0 b@1");
    expect(await refusal(folder(...good), splitName("m", 1, 2))).toBe("accepted a@0 b@1");
    expect(await refusal(folder({ total: 1 }, { no: 1, total: 1, tensors: ["b"] }))).toBe("accepted b@1");
  });

  it.each<[string, readonly Part[], string]>([
    [
      "with another count in its names",
      [
        { count: 3, tensors: ["a"] },
        { no: 1, count: 3 },
      ],
      "FORMAT: split.count is 3, but the file name says that there are 2 parts.",
    ],
    [
      "with another count in one part",
      [{ tensors: ["a"] }, { no: 1, count: 3, tensors: ["b"] }],
      "FORMAT: split.count is 3, but the model is made of 2 files.",
    ],
    [
      "with the same number twice",
      [{ tensors: ["a"] }, { no: 0, tensors: ["b"] }],
      "FORMAT: split.no is 0, as in",
    ],
    [
      "with a number beyond its count",
      [{ tensors: ["a"] }, { no: 2, tensors: ["b"] }],
      "FORMAT: split.no is 2, but there are 2 parts.",
    ],
    [
      "with a tensor in both parts",
      [{ tensors: ["a"] }, { no: 1, tensors: ["a"] }],
      "FORMAT: The tensor is in part 2, but also in part 1.",
    ],
    [
      "with too few tensors",
      [
        { total: 3, tensors: ["a"] },
        { no: 1, total: 3, tensors: ["b"] },
      ],
      "FORMAT: split.tensors.count is 3, but the parts have 2 tensors together.",
    ],
  ])("%s is refused", async (_, parts, message) => {
    expect(await refusal(folder(...parts))).toContain(message);
  });

  it("with a missing part names the part", async () => {
    const store = folder(...good);
    store.files.delete(splitName("m", 1, 2));
    expect(await refusal(store)).toBe('IO: The file "m-00002-of-00002.gguf" is missing.');
    expect(await refusal(memoryStore(), "x.gguf")).toBe('IO: The file "x.gguf" is missing.');
  });

  it("of which one part has another name is refused", async () => {
    const store = folder(...good);
    store.files.set("first.gguf", part(good[0]));
    expect(await refusal(store, "first.gguf")).toBe(
      "FORMAT: The file is one of 2 parts, but its name does not say which.",
    );
  });

  it("of more parts than the limit is refused", async () => {
    const store = memoryStore();
    const name = splitName("m", 0, 5000);
    store.files.set(name, part({ count: 5000, total: 0 }));
    expect(await refusal(store, name)).toBe("LIMIT: The model has 5000 parts; the limit is 4096.");
  });

  it("given as open files may be in any order, but must be whole", async () => {
    const [first, second] = good.map((one) => memorySource(part(one)));
    if (first === undefined || second === undefined) throw new Error("no parts");
    expect((await openGguf([second, first])).tensors.map(({ name }) => name)).toEqual(["a", "b"]);
    await expect(openGguf(first)).rejects.toThrow("split.count is 2, but the model is made of 1 file.");
  });
});
