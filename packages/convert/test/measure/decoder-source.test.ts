/**
 * What a forward pass reads. The oracle is the F32 GGUF that llama.cpp's converter wrote, or, where the golden set is not there,
 * the one that we write: its bytes are proven against the converter's by other tests.
 */

import { readFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { memoryStore, type ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { archModels } from "../../../../fixtures/arch-models.ts";
import {
  comparer,
  decoderSource,
  type Model,
  modelTokenizer,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
} from "../../src/index.ts";

async function f32Gguf(model: Model, converted: string | undefined): Promise<Model> {
  if (converted !== undefined) {
    return openModel({ store: directoryStore(dirname(converted)), file: basename(converted) });
  }
  const store = memoryStore({ name: "gguf" });
  const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "f32.gguf" });
  await runPlan(plan, model, store);
  return openModel({ store, file: "f32.gguf" });
}

async function rowsOf(
  reader: { readRows(start: number, end: number, out: Float32Array): Promise<void> },
  shape: readonly number[],
): Promise<Float32Array> {
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const out = new Float32Array(rows * (shape.at(-1) ?? 1));
  await reader.readRows(0, rows, out);
  return out;
}

describe.each(archModels.map((model) => [model.name, model] as const))("%s", (_, { path, gguf }) => {
  it("has the values of its F32 GGUF", async () => {
    const model = await openModel({ store: directoryStore(path) });
    const written = await f32Gguf(model, gguf["f32"]?.file);
    for (const source of [await decoderSource(model), await decoderSource(written)]) {
      expect([...source.shapes.keys()].sort()).toEqual(written.tensors.map(({ name }) => name).sort());
      for (const { name, shape } of written.tensors) {
        expect(source.shapes.get(name), name).toEqual(shape);
        const reader = {
          readRows: (start: number, end: number, out: Float32Array) => source.readRows(name, start, end, out),
        };
        const difference = comparer();
        // MXFP4 has a zero with a sign, which its float values need not have
        difference.add(await rowsOf(written.weight(name), shape), await rowsOf(reader, shape));
        expect(difference.result().firstDifference, name).toBeUndefined();
        expect(difference.result().finite, name).toBe(true);
      }
      expect(source.metadata.get("general.architecture")).toEqual(
        written.gguf?.metadata.get("general.architecture"),
      );
    }
    await Promise.all([model.close(), written.close()]);
  });
});

describe("the tokenizer of a model", () => {
  const kjv = resolve(import.meta.dirname, "../../../../fixtures/kjv");
  const text = readFileSync(`${kjv}/heldout.txt`, "utf8").slice(0, 4000);

  async function idsOf(store: ReadStore, file?: string): Promise<readonly number[]> {
    const model = await openModel({ store, file });
    const { tokenizer, config } = await modelTokenizer(model);
    await model.close();
    return new Tokenizer(tokenizer, config).encode(text, { add_special_tokens: false }).ids;
  }

  it("is the same for a directory and for the GGUF made of it", async () => {
    const directory = directoryStore(`${kjv}/hf`);
    const model = await openModel({ store: directory });
    const store = memoryStore({ name: "gguf" });
    await runPlan(
      await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "kjv.gguf" }),
      model,
      store,
    );
    await model.close();
    const ids = await idsOf(directory);
    expect(ids.length).toBeGreaterThan(500);
    expect(await idsOf(store, "kjv.gguf")).toEqual(ids);
  });

  it("is asked for where there is none", async () => {
    const source = directoryStore(`${kjv}/hf`);
    const without: ReadStore = {
      name: "models/without",
      open: (name) => (name.startsWith("tokenizer") ? Promise.resolve(undefined) : source.open(name)),
      list: async (folder) => (await source.list(folder))?.filter((name) => !name.startsWith("tokenizer")),
    };
    await expect(idsOf(without)).rejects.toThrow(/tokenizer/i);
  });
});
