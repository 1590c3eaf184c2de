/**
 * Mistral's and Meta's own layouts of the golden models, and the scaled rotary positions of Llama 3.1 and later. Oracle: the same
 * model in Hugging Face's form, whose GGUF is byte for byte the one of llama.cpp's converter (`run/golden.test.ts`).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { goldenFamilies } from "../../../../fixtures/arch-golden.ts";
import { openModel, parseTarget, planConversion, verifyModels } from "../../src/index.ts";
import { floatDirectory } from "../run/packed-models.ts";
import { asGguf, consolidated, type Layout, meta } from "./consolidated.ts";

function withSettings(source: MemoryStore, settings: object): MemoryStore {
  const store = memoryStore({ name: "scaled" });
  for (const [name, bytes] of source.files) store.files.set(name, bytes);
  const config = JSON.parse(new TextDecoder().decode(source.files.get("config.json")));
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify({ ...config, ...settings })));
  return store;
}

/** The tensors, the keys of the family, and the tokenizer are the same in both forms. */
async function expectTwin(source: MemoryStore, layout: Layout): Promise<void> {
  const [ours, theirs] = [await asGguf(source), await asGguf(await consolidated(source, layout))];
  const { equal, tensors } = await verifyModels(ours, theirs);
  expect({ equal, count: tensors.length }).toEqual({ equal: true, count: ours.tensors.length });
  const settings = (model: typeof ours): unknown[] =>
    [...(model.gguf?.metadata ?? [])].filter(([key]) => /^(?:llama|tokenizer)\./.test(key));
  expect(settings(theirs)).toEqual(settings(ours));
}

/** As published in the config.json of Llama 3.1, and of Llama 3.2 with its own factor. */
const scaled = (factor: number): object => ({
  max_position_embeddings: 131072,
  rope_theta: 500000,
  rope_scaling: {
    factor,
    high_freq_factor: 4,
    low_freq_factor: 1,
    original_max_position_embeddings: 8192,
    rope_type: "llama3",
  },
});
const params = { ...meta, max_seq_len: undefined, rope_theta: 500000, use_scaled_rope: true };

describe("use_scaled_rope of Meta's params.json", () => {
  it.each([
    ["a factor that it states", { rope_scaling_factor: 8 }, 8],
    ["the factor of Llama 3.2, whose text models are narrow", {}, 32],
  ])("gives the rope factors and keys of Hugging Face's form: %s", async (_, more, factor) => {
    const source = withSettings(await floatDirectory("F16"), scaled(factor));
    const extra = ["rope.freqs"];
    await expectTwin(source, { more: { ...params, ...more }, extra });
    const model = await asGguf(await consolidated(source, { more: { ...params, ...more }, extra }));
    expect(model.tensors.map(({ name }) => name)).toContain("rope_freqs.weight");
  });

  it.each([
    [{}, [32]],
    [{ rope_scaling_factor: 8 }, []],
  ])("names the factor as assumed unless the file states it: %j", async (more, factors) => {
    const store = await consolidated(await floatDirectory("F16"), { more: { ...params, ...more } });
    const { findings } = await planConversion(await openModel({ store }), parseTarget("gguf:f32"));
    const messages = findings
      .filter(({ key }) => key === "rope_scaling_factor")
      .map(({ message }) => message);
    expect(messages).toEqual(
      factors.map(
        (factor) => `Assumed a rope scaling factor of ${factor}: params.json has no rope_scaling_factor.`,
      ),
    );
  });
});

const layouts: Readonly<Record<string, Layout>> = {
  llama2: { more: meta },
  llama31: { more: { ...params, rope_scaling_factor: 8 } },
  codellama: { more: meta },
  mistral: {},
  smollm: { more: { tied_embeddings: true } },
};
const twins = goldenFamilies.filter(({ name }) => Object.hasOwn(layouts, name));

describe.skipIf(twins.length === 0)(
  "golden models in the original layout (skipped where REQUANT_GOLDEN is not set)",
  () => {
    it.each(twins)("$name", async ({ name, path }) => {
      const source = memoryStore({ name });
      for (const file of readdirSync(path)) source.files.set(file, readFileSync(join(path, file)));
      await expectTwin(source, layouts[name] ?? {});
    });

    it.each([{ max_seq_len: undefined }, { sliding_window: 4096 }])(
      "mistral with %j has the same tensors and keys but for the context",
      async (more) => {
        const path = twins.find(({ name }) => name === "mistral")?.path ?? "";
        const source = memoryStore({ name: "mistral" });
        for (const file of readdirSync(path)) source.files.set(file, readFileSync(join(path, file)));
        const length = "max_seq_len" in more ? { max_position_embeddings: 128000 } : {};
        await expectTwin(withSettings(source, { ...length, ...more }), { more });
      },
    );
  },
);
