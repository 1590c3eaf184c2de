/** Oracle: the rule in docs/security.md, on real links of a real disk. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { directoryStore } from "@requant/core/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

async function file(...names: string[]): Promise<void> {
  await mkdir(dirname(at(...names)), { recursive: true });
  await writeFile(at(...names), "text");
}

/** Makes a link `name` in the folder "model", or at the given path, to exactly `target`. */
async function linked(target: string, name: string): Promise<void> {
  await mkdir(dirname(at(name)), { recursive: true });
  await symlink(target, at(name));
}

async function lengthOf(store: ReturnType<typeof directoryStore>, name: string): Promise<number | undefined> {
  const source = await store.open(name);
  await source?.close();
  return source?.byteLength;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-links-"));
  await mkdir(at("model"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const SIDE_FILES = [
  "chat_template.jinja",
  "LICENSE",
  "README.md",
  "generation_config.json",
  "merges.txt",
  "tokenizer.json",
  "tokenizer.model",
  "config.json",
  "model.safetensors.index.json",
];

describe.skipIf(process.platform === "win32")("links of a model's folder", () => {
  test.each(SIDE_FILES)("%s that leads out is refused by name", async (name) => {
    await file("secret.txt");
    await linked("../secret.txt", `model/${name}`);
    const opened = directoryStore(at("model")).open(name);
    await expect(opened).rejects.toMatchObject({
      code: "FORMAT",
      reason: "link-outside",
      path: at("model", name),
      hint: expect.stringContaining("copy of the file"),
    });
  });

  test.each([
    ["an absolute target", async () => linked(at("secret.txt"), "model/a.json")],
    [
      "a link to a link",
      async () => Promise.all([linked("../secret.txt", "model/b"), linked("b", "model/a.json")]),
    ],
    [
      "a neighbour whose name begins alike",
      async () => Promise.all([file("model-2/x.json"), linked("../model-2/x.json", "model/a.json")]),
    ],
    ["a side file under the name of weights", async () => linked("../secret.txt", "model/a.json")],
  ])("%s is refused", async (_, make) => {
    await file("secret.txt");
    await make();
    await expect(directoryStore(at("model")).open("a.json")).rejects.toMatchObject({
      reason: "link-outside",
    });
  });

  test("a linked folder is neither listed nor read", async () => {
    await file("elsewhere/x.jinja");
    await linked("../elsewhere", "model/additional_chat_templates");
    const store = directoryStore(at("model"));
    await expect(store.list("additional_chat_templates")).rejects.toMatchObject({ reason: "link-outside" });
    await expect(store.open("additional_chat_templates/x.jinja")).rejects.toMatchObject({
      reason: "link-outside",
    });
  });

  test("links inside the folder are followed, also where the folder itself is reached by a link", async () => {
    await file("model/real/config.json");
    await linked("real/config.json", "model/config.json");
    await linked("model", "alias");
    for (const name of ["model", "alias"]) {
      const store = directoryStore(at(name));
      expect(await lengthOf(store, "config.json")).toBe(4);
      expect(await store.list("real")).toEqual(["config.json"]);
    }
  });

  test("a dangling link counts as a missing file", async () => {
    await linked("../gone", "model/config.json");
    expect(await directoryStore(at("model")).open("config.json")).toBeUndefined();
  });

  test("the hub's cache: only blobs of the same model", async () => {
    await file("models--a--b/blobs/0123");
    await file("models--a--c/blobs/4567");
    await linked("../../blobs/0123", "models--a--b/snapshots/main/config.json");
    await linked("../../../blobs/0123", "models--a--b/snapshots/main/1_Pooling/config.json");
    await linked("../../../models--a--c/blobs/4567", "models--a--b/snapshots/main/README.md");
    const store = directoryStore(at("models--a--b/snapshots/main"));
    expect(await lengthOf(store, "config.json")).toBe(4);
    expect(await lengthOf(store, "1_Pooling/config.json")).toBe(4);
    await expect(store.open("README.md")).rejects.toMatchObject({ reason: "link-outside" });
  });

  test("a folder that only looks like the hub's cache", async () => {
    await file("blobs/0123");
    await linked("../../blobs/0123", "other/snapshots/main/config.json".replace("other/", ""));
    await expect(directoryStore(at("snapshots/main")).open("config.json")).rejects.toMatchObject({
      reason: "link-outside",
    });
  });

  test("weights may be blobs of the hub's cache, and lie nowhere else", async () => {
    await file("disk/model-1.safetensors");
    await file("disk/part.gguf");
    await file("models--a--b/blobs/0123");
    await file("disk/passwords");
    await linked("../disk/model-1.safetensors", "model/model-00001-of-00002.safetensors");
    await linked("../disk/part.gguf", "model/m-00002-of-00002.gguf");
    await linked("../models--a--b/blobs/0123", "model/blob.safetensors");
    await linked("../disk/passwords", "model/evil.safetensors");
    const store = directoryStore(at("model"));
    expect(await lengthOf(store, "blob.safetensors")).toBe(4);
    for (const name of ["model-00001-of-00002.safetensors", "m-00002-of-00002.gguf", "evil.safetensors"]) {
      await expect(store.open(name), name).rejects.toMatchObject({
        reason: "link-outside",
        path: at("model", name),
      });
    }
  });

  test("only links that the caller names are followed", async () => {
    await file("disk/x");
    await linked("../disk/x", "model/model.gguf");
    await linked("../disk/x", "model/config.json");
    const store = directoryStore(at("model"), { named: ["model.gguf"] });
    expect(await lengthOf(store, "model.gguf")).toBe(4);
    await expect(store.open("config.json")).rejects.toMatchObject({ reason: "link-outside" });
    // a worker opens the same store by its address
    expect(store.address).toEqual({ kind: "directory", path: at("model"), named: ["model.gguf"] });
  });

  test("a link that is swapped while many calls open it never opens the file outside", async () => {
    await file("secret");
    await file("model/inside");
    const store = directoryStore(at("model"));
    let outside = 0;
    let swapping = true;
    const swaps = (async () => {
      for (let turn = 0; swapping; turn++) {
        await symlink(turn % 2 === 0 ? "inside" : "../secret", at("model/next"));
        await rename(at("model/next"), at("model/config.json"));
      }
    })();
    await writeFile(at("secret"), "longer text");
    for (let i = 0; i < 300; i++) {
      const length = await lengthOf(store, "config.json").catch(() => undefined);
      if (length !== undefined && length !== 4) outside += 1;
    }
    swapping = false;
    await swaps;
    expect(outside).toBe(0);
  });
});
