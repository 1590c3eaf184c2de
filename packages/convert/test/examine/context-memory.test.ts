/**
 * The memory of a context, by a directory and by its GGUF. Oracle: the GGUF files that llama.cpp's own converter made of the same
 * models; what llama.cpp then allocates is in `packages/models/test/memory.test.ts`.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { contextMemory, openModel } from "../../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const folder = join(golden ?? "", "arch");
const files =
  golden === undefined ? [] : readdirSync(join(folder, "gguf")).map((name) => name.split(".gguf")[0] ?? "");
const models = files
  .map((name) => ({ name, directory: name.replace(/\.B?F16$/, "") }))
  .filter(({ directory }) => existsSync(join(folder, "hf", directory)));

describe.skipIf(golden === undefined)("golden models (skipped: REQUANT_GOLDEN is not set)", () => {
  it.each(models)("$directory takes as much as its GGUF", async ({ name, directory }) => {
    const made = await openModel({ store: directoryStore(join(folder, "gguf")), file: `${name}.gguf` });
    const source = await openModel({ store: directoryStore(join(folder, "hf", directory)) });
    const expected = await contextMemory(made, 5000, "q8_0");
    expect(expected?.cache ?? 0).toBeGreaterThan(0);
    expect(await contextMemory(source, 5000, "q8_0")).toEqual(expected);
  });
});
