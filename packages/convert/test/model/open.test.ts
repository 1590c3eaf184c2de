import { memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { openModel } from "../../src/index.ts";
import { ggufBytes } from "../tiny-gguf.ts";

function storeOf(files: Record<string, string | Uint8Array>) {
  const store = memoryStore({ name: "folder" });
  for (const [name, content] of Object.entries(files)) {
    store.files.set(
      name,
      typeof content === "string" ? Uint8Array.from(content, (char) => char.charCodeAt(0)) : content,
    );
  }
  return store;
}

describe("what is no model", () => {
  it.each([
    [
      "Git LFS pointer",
      "m.gguf",
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
      "FORMAT",
      /LFS/,
    ],
    ["web page", "m.safetensors", "<!DOCTYPE html><html></html>", "FORMAT", /web page/],
    ["old GGML", "m.bin", "tjgg\u0003\u0000\u0000\u0000", "UNSUPPORTED", /before GGUF/],
    ["zip pickle", "pytorch_model.bin", "PK\u0003\u0004", "UNSUPPORTED", /pickle/],
    ["bare pickle", "model.weights", "\u0080\u0002}", "UNSUPPORTED", /pickle/],
    ["something else", "m.dat", "hello, world, this is no model", "FORMAT", /no model/],
    ["nothing at all", "m.dat", "", "FORMAT", /no model/],
  ])("%s", async (_title, name, content, code, message) => {
    await expect(openModel({ store: storeOf({ [name]: content }), file: name })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.any(String),
      path: expect.stringContaining(name),
    });
  });

  it("a file that is not there", async () => {
    await expect(openModel({ store: storeOf({}), file: "m.gguf" })).rejects.toMatchObject({ code: "IO" });
  });

  it("a folder without a model, with pickles only, or with several", async () => {
    await expect(openModel({ store: storeOf({ "readme.md": "" }) })).rejects.toMatchObject({
      code: "FORMAT",
    });
    await expect(openModel({ store: storeOf({ "pytorch_model.bin": "" }) })).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
    const gguf = await ggufBytes();
    await expect(openModel({ store: storeOf({ "a.gguf": gguf, "b.gguf": gguf }) })).rejects.toMatchObject({
      code: "USAGE",
    });
  });
});

describe("a folder with one GGUF", () => {
  it("is that model", async () => {
    const model = await openModel({ store: storeOf({ "a.gguf": await ggufBytes(), "notes.txt": "x" }) });
    expect(model).toMatchObject({ format: "gguf", name: "folder/a.gguf" });
  });
});

describe("a model's reads", () => {
  it("stay inside its tensors", async () => {
    const model = await openModel({ store: storeOf({ "a.gguf": await ggufBytes() }) });
    const { byteLength } = model.tensor("token_embd.weight");
    for (const [start, end] of [
      [-1, 0],
      [0, byteLength + 1],
      [5, 4],
      [0.5, 1],
    ] as const) {
      await expect(model.readBytes("token_embd.weight", start, end)).rejects.toMatchObject({ code: "USAGE" });
    }
    await expect(
      model.weight("token_embd.weight").readRows(95, 97, new Float32Array(128)),
    ).rejects.toMatchObject({
      code: "USAGE",
    });
    await expect(
      model.weight("token_embd.weight").readRows(0, 1, new Float32Array(63)),
    ).rejects.toMatchObject({
      code: "USAGE",
    });
  });
});
