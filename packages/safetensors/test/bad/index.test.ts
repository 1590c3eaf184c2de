/** Folders whose index and files disagree, or whose index names files outside the model. */
import { isCodecError, type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../../src/index.ts";
import { file } from "./build.ts";

const tensor = (name: string): Uint8Array =>
  file(JSON.stringify({ [name]: { dtype: "U8", shape: [4], data_offsets: [0, 4] } }), 4);

function folder(index: unknown, files: Readonly<Record<string, Uint8Array>>): MemoryStore {
  const store = memoryStore();
  const text = typeof index === "string" ? index : JSON.stringify(index);
  store.files.set("model.safetensors.index.json", new TextEncoder().encode(text));
  for (const [name, bytes] of Object.entries(files)) store.files.set(name, bytes);
  return store;
}

async function refusal(store: MemoryStore): Promise<string> {
  try {
    const set = await openSafetensors(store);
    return `accepted ${set.tensors.map(({ name }) => name).join(" ")}; ${set.findings.map(({ code }) => code).join(" ")}`;
  } catch (error) {
    if (isCodecError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const A = "model-00001-of-00002.safetensors";
const B = "model-00002-of-00002.safetensors";
const shards = { [A]: tensor("a"), [B]: tensor("b") };

describe("an index", () => {
  it("that agrees is followed", async () => {
    expect(await refusal(folder({ metadata: { total_size: 8 }, weight_map: { a: A, b: B } }, shards))).toBe(
      "accepted a b; ",
    );
  });

  it.each<[string, unknown, string]>([
    ["that is not JSON", "nonsense", "FORMAT: The index is not valid JSON: the first fault is at line 1, column 1."],
    ["without weight_map", {}, "FORMAT: The index has no weight_map object."],
    ["with an empty weight_map", { weight_map: {} }, "FORMAT: The index lists no tensors."],
    ["with a list for weight_map", { weight_map: [] }, "FORMAT: The index"],
    [
      "with a number for a file",
      { weight_map: { a: 1 } },
      "FORMAT: The index gives no file name for the tensor.",
    ],
    [
      "that says a tensor twice",
      `{"weight_map":{"a":"${A}","a":"${B}"}}`,
      "FORMAT: The index has a key twice.",
    ],
    [
      "that puts a tensor in a file that lacks it",
      { weight_map: { a: B, b: B } },
      `FORMAT: The index says that the tensor is in "${B}"; it is in no file.`,
    ],
    [
      "that names a tensor of no file",
      { weight_map: { a: A, b: B, c: B } },
      `FORMAT: The index says that the tensor is in "${B}"; it is in no file.`,
    ],
    [
      "that swaps two tensors",
      { weight_map: { a: B, b: A } },
      `FORMAT: The index says that the tensor is in "${B}"; it is in "${A}".`,
    ],
    [
      "that names a missing file",
      { weight_map: { a: A, b: "c.safetensors" } },
      'IO: The file "c.safetensors" is missing.',
    ],
  ])("%s is refused", async (_, index, message) => {
    expect(await refusal(folder(index, shards))).toContain(message);
  });

  it.each([
    "../secret.safetensors",
    "/etc/x.safetensors",
    "a\\b.safetensors",
    "c:x.safetensors",
    "https://x/y.safetensors",
    "sub/a.safetensors",
    "a\u001b[2J.safetensors",
    "a\0.safetensors",
    "..",
    "",
    "config.json",
  ])("that names %j is refused", async (name) => {
    const message = `FORMAT: The index names the file ${JSON.stringify(name)}`;
    expect(await refusal(folder({ weight_map: { a: name } }, shards))).toContain(message);
  });

  it("may leave tensors out, which is reported", async () => {
    expect(
      await refusal(
        folder(
          { weight_map: { a: A } },
          {
            [A]: file(
              JSON.stringify({
                a: { dtype: "U8", shape: [2], data_offsets: [0, 2] },
                x: { dtype: "U8", shape: [2], data_offsets: [2, 4] },
              }),
              4,
            ),
          },
        ),
      ),
    ).toBe("accepted a; unlisted-tensor");
  });

  it("may give a wrong total, which is reported", async () => {
    const index = { metadata: { total_size: 7 }, weight_map: { a: A, b: B } };
    expect(await refusal(folder(index, shards))).toBe("accepted a b; total-size");
  });

  it("with a tensor in both files is refused", async () => {
    const store = folder(
      { weight_map: { a: A, b: B } },
      {
        [A]: tensor("a"),
        [B]: file(
          JSON.stringify({
            a: { dtype: "U8", shape: [2], data_offsets: [0, 2] },
            b: { dtype: "U8", shape: [2], data_offsets: [2, 4] },
          }),
          4,
        ),
      },
    );
    expect(await refusal(store)).toBe(`FORMAT: The tensor is in "${A}" and in "${B}".`);
  });

  it("may hold a tensor called __proto__", async () => {
    const index = `{"weight_map":{"__proto__":"${A}","b":"${B}"}}`;
    const bytes = file('{"__proto__":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 4);
    expect(await refusal(folder(index, { [A]: bytes, [B]: tensor("b") }))).toBe("accepted __proto__ b; ");
  });
});

describe("a folder without an index", () => {
  it("gives all its safetensors files, which is reported", async () => {
    const store = memoryStore();
    store.files.set("part-b.safetensors", tensor("b"));
    store.files.set("part-a.safetensors", tensor("a"));
    expect(await refusal(store)).toBe("accepted a b; no-index");
    store.files.set("part-c.safetensors", tensor("a"));
    expect(await refusal(store)).toBe(
      'FORMAT: The tensor is in "part-a.safetensors" and in "part-c.safetensors".',
    );
  });

  it("and without files is refused", async () => {
    expect(await refusal(memoryStore())).toBe('IO: The file "model.safetensors" is missing.');
  });
});
