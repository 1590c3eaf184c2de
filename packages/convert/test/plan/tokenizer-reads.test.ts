/** How often a large tokenizer.json is read and parsed, which is most of the time that a plan takes. Oracle: counted calls. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore, type ReadStore } from "@requant/core";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import {
  modelFindings,
  openModel,
  outputFindings,
  parseTarget,
  planConversion,
  runPlan,
} from "../../src/index.ts";
import { hfDirectory, readWeights } from "../hf-directory.ts";

const kjv = new URL("../../../../fixtures/kjv/hf/", import.meta.url);
let directory: MemoryStore;
beforeAll(async () => {
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json"];
  const sideFiles = Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, kjv))]));
  directory = await hfDirectory(await readWeights(fileURLToPath(kjv)), sideFiles, "kjv");
});
afterEach(() => vi.restoreAllMocks());

/** The store, and the names of files in the order in which they are opened. */
function watched(store: ReadStore): { readonly store: ReadStore; readonly opened: string[] } {
  const opened: string[] = [];
  return {
    opened,
    store: {
      name: store.name,
      list: (folder) => store.list(folder),
      open(path) {
        opened.push(path);
        return store.open(path);
      },
    },
  };
}

test("a plan and its warnings read and parse tokenizer.json once", async () => {
  const text = new TextDecoder().decode(directory.files.get("tokenizer.json"));
  const parse = vi.spyOn(JSON, "parse");
  const { store, opened } = watched(directory);
  const model = await openModel({ store });
  const plan = await planConversion(model, parseTarget("gguf:f16"));
  const warnings = [
    ...(await modelFindings(model, { vocabulary: true, madeFromIt: plan })),
    ...outputFindings(plan),
  ];
  await model.close();
  expect(warnings).toEqual([]);
  expect(opened.filter((name) => name === "tokenizer.json")).toHaveLength(1);
  expect(parse.mock.calls.filter(([given]) => given === text)).toHaveLength(1);
});

test("a run does not keep the side files: they are read again when they are asked for again", async () => {
  const { store, opened } = watched(directory);
  const model = await openModel({ store });
  const plan = await planConversion(model, parseTarget("gguf:f16"));
  await runPlan(plan, model, memoryStore());
  expect(opened.filter((name) => name === "tokenizer.json")).toHaveLength(1);
  await model.hf?.sideFiles();
  await model.close();
  expect(opened.filter((name) => name === "tokenizer.json")).toHaveLength(2);
});
