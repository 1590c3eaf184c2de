/** Side files that stand in a folder of their own: further chat templates, from disk and from memory. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memorySource, memoryStore, type ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { readGguf } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "requant-side-"));
const model = join(folder, "model");
const templates = {
  "chat_template.jinja": "{% for m in messages %}{{ m.content }}{% endfor %}",
  "additional_chat_templates/rag.jinja": "rag",
  "additional_chat_templates/tool-use.jinja": "tools",
};
const inMemory = memoryStore({ name: "model" });

beforeAll(async () => {
  await cp(kjv, model, { recursive: true });
  await mkdir(join(model, "additional_chat_templates"));
  for (const [name, text] of Object.entries(templates)) await writeFile(join(model, name), text);
  await writeFile(join(model, "additional_chat_templates/notes.txt"), "not a template");
  const names = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    ...Object.keys(templates),
  ];
  for (const name of names) inMemory.files.set(name, new Uint8Array(readFileSync(join(model, name))));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function convert(store: ReadStore, target: string, file?: string): Promise<MemoryStore> {
  const source = await openModel({ store, file });
  const output = memoryStore({ name: "o" });
  const outputName = target.startsWith("gguf") ? "o" : undefined;
  await runPlan(await planConversion(source, parseTarget(target), { outputName }), source, output);
  await source.close();
  return output;
}

describe.each<[string, () => ReadStore]>([
  ["a directory", () => directoryStore(model)],
  ["memory", () => inMemory],
])("from %s", (_, store) => {
  it("every template is in the GGUF, and comes back", async () => {
    const gguf = await convert(store(), "gguf:bf16");
    const { metadata } = await readGguf(memorySource(gguf.files.get("o.gguf") ?? new Uint8Array(0)));
    const found = [...metadata]
      .filter(([key]) => key.includes("chat_template"))
      .map(([key, { value }]) => [key, value]);
    expect(found).toEqual([
      ["tokenizer.chat_template.rag", "rag"],
      ["tokenizer.chat_template.tool_use", "tools"],
      ["tokenizer.chat_templates", ["rag", "tool_use"]],
      ["tokenizer.chat_template", templates["chat_template.jinja"]],
    ]);
    const back = await convert(gguf, "safetensors:bf16", "o.gguf");
    const config = JSON.parse(new TextDecoder().decode(back.files.get("tokenizer_config.json")));
    expect(config.chat_template).toEqual([
      { name: "default", template: templates["chat_template.jinja"] },
      { name: "rag", template: "rag" },
      { name: "tool_use", template: "tools" },
    ]);
  });

  it("they go along from safetensors to safetensors", async () => {
    const made = await convert(store(), "safetensors:f16");
    for (const [name, text] of Object.entries(templates))
      expect(new TextDecoder().decode(made.files.get(name))).toBe(text);
    expect([...made.files.keys()]).not.toContain("additional_chat_templates/notes.txt");
  });
});

it("a folder that is not there is empty, and none leads out of the store", async () => {
  expect(await directoryStore(model).list("nothing")).toEqual([]);
  expect(await inMemory.list("nothing")).toEqual([]);
  await expect(directoryStore(model).list("../model")).rejects.toThrow();
});
