/**
 * Whole models of many families: there, run, and back. Oracles: the sha256 of llama.cpp's converter's files, transformers' logits,
 * llama.cpp itself running our file beside its own converter's, and for the way back the checkpoint's bytes.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { type ArchModel, archModels, archScope } from "../../../../fixtures/arch-models.ts";
import { corpus } from "../../../../fixtures/corpus.ts";
import { loadLlama, nextLogits, takeComplaints, withModel } from "../../../../fixtures/llama-client.ts";
import { type Model, openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-architectures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

async function convert(model: Model, target: string): Promise<MemoryStore> {
  const output = memoryStore({ name: "o" });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o" });
  await runPlan(plan, model, output, { check: false });
  return output;
}

async function withSource<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel({ store: directoryStore(path) });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

async function ggufOf({ path }: ArchModel, type: string): Promise<Uint8Array> {
  const output = await withSource(path, (model) => convert(model, `gguf:${type}`));
  return output.files.get("o.gguf") ?? new Uint8Array(0);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The checkpoint's own 16-bit type. */
function halfType(model: ArchModel): string {
  return Object.keys(model.gguf).find((type) => type !== "F32") ?? "BF16";
}

/** Families that the bundled llama.cpp does not run, with its reason. */
const notRun: Readonly<Record<string, string>> = {};

const cases = archModels.flatMap((model) =>
  Object.entries(model.gguf).map(([type, reference]) => ({ name: model.name, type, model, reference })),
);

describe(`to GGUF: ${archScope}`, () => {
  it.each(cases.filter(({ model }) => !model.varies))(
    "$name $type is the converter's file",
    async ({ model, type, reference }) => {
      expect(sha256(await ggufOf(model, type))).toBe(reference.sha256);
    },
  );
});

describe.skipIf("reason" in client)(
  `llama.cpp runs${"reason" in client ? ` (skipped: ${client.reason})` : ""}: ${archScope}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    async function logitsOf(path: string, prompt: readonly number[]): Promise<Map<number, number>> {
      takeComplaints();
      try {
        return await withModel(llama, path, (model) => nextLogits(model, prompt));
      } catch (cause) {
        throw new Error(`llama.cpp: ${takeComplaints().join(" ")}`, { cause });
      }
    }

    it.each(cases)("$name $type, with transformers' logits", async ({ name, type, model, reference }) => {
      const path = join(folder, `${name}-${type}.gguf`);
      writeFileSync(path, await ggufOf(model, type));
      const reason = notRun[name];
      if (reason !== undefined) {
        await expect(logitsOf(path, model.prompt)).rejects.toThrow(reason);
        return;
      }
      const logits = await logitsOf(path, model.prompt);
      const worst = Math.max(
        ...model.topLogits.map(([id, logit]) => Math.abs((logits.get(id) ?? Number.NaN) - logit)),
      );
      // what llama.cpp's converter's own file was off by, on another build and processor: half as much again
      expect(worst).toBeLessThanOrEqual(reference.logitDifference * 1.5 + 1e-5);
      if (reference.file !== undefined) {
        const theirs = await logitsOf(reference.file, model.prompt);
        // the order of chat template names apart the bytes are the same, so the sums are too
        expect([...logits]).toEqual([...theirs]);
        if (!model.varies) expect(sha256(readFileSync(reference.file))).toBe(reference.sha256);
      }
    });
  },
);

/** Texts that llama.cpp and the JavaScript library take apart differently, whoever wrote the files, and why. */
const knownDifferences: readonly {
  readonly reason: string;
  readonly when: (json: string, text: string) => boolean;
}[] = [
  {
    reason: "llama.cpp does not normalize to NFC",
    when: (json, text) => json.includes('"NFC"') && text.normalize("NFC") !== text,
  },
  {
    reason: "the JavaScript library's Digits step knows decimal digits only",
    when: (json, text) => json.includes('"Digits"') && /[\p{Nl}\p{No}]/u.test(text),
  },
  {
    reason:
      "llama.cpp merges runs of spaces and line ends of Gemma by score, where SentencePiece has whole symbols",
    when: (json, text) => json.includes('"MergedWithPrevious"') && /\n\n\n| {3}/.test(text),
  },
];

describe.skipIf("reason" in client)(
  `the tokenizer.json that comes back says what llama.cpp says: ${archScope}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(archModels.map((model) => ({ name: model.name, model })))("$name", async ({ name, model }) => {
      const store = memoryStore({ name: "gguf" });
      store.files.set("o.gguf", await ggufOf(model, "F32"));
      const path = join(folder, `${name}-tokens.gguf`);
      writeFileSync(path, store.files.get("o.gguf") ?? "");
      const back = await convert(await openModel({ store, file: "o.gguf" }), "safetensors:f32");
      const read = (file: string): string => new TextDecoder().decode(back.files.get(file));
      const json = read("tokenizer.json");
      const tokenizer = new Tokenizer(JSON.parse(json), JSON.parse(read("tokenizer_config.json")));
      await withModel(llama, path, async (loaded) => {
        let compared = 0;
        for (const text of corpus(400, false)) {
          if (knownDifferences.some(({ when }) => when(json, text))) continue;
          // tokenizer.json puts a space before a text that has none, llama.cpp before every text
          const given = /"prepend_scheme":\s*"first"/.test(json) && text.startsWith(" ") ? ` ${text}` : text;
          const ids = tokenizer.encode(given, { add_special_tokens: false }).ids;
          expect([text, ids]).toEqual([text, [...loaded.tokenize(text, false)]]);
          compared++;
        }
        expect(compared).toBeGreaterThan(350);
      });
    });
  },
);

/** Bytes of every tensor of a model, as safetensors of one type. */
async function tensorsAs(model: Model, type: string): Promise<Map<string, string>> {
  const made = await openModel({ store: await convert(model, `safetensors:${type}`) });
  const sums = new Map<string, string>();
  for (const { name, shape, byteLength } of made.tensors) {
    sums.set(name, `[${shape.join()}] ${sha256(await made.readBytes(name, 0, byteLength))}`);
  }
  return sums;
}

describe(`back to Hugging Face: ${archScope}`, () => {
  it.each(cases)("$name $type → $type → HF: every tensor, byte for byte", async ({ model, type }) => {
    const half = halfType(model);
    const store = memoryStore({ name: "gguf" });
    store.files.set("o.gguf", await ggufOf(model, type));
    const back = await tensorsAs(await openModel({ store, file: "o.gguf" }), half);
    await withSource(model.path, async (source) => {
      const blocks = source.tensors.filter(({ linear }) => linear !== undefined);
      // MXFP4 experts come back as plain ones, under other names (mxfp4-experts.test.ts): all the rest is compared
      if (blocks.length > 0) {
        const quantized = /\.experts\.(gate_up_proj|down_proj)$/;
        for (const name of [...back.keys()]) if (quantized.test(name)) back.delete(name);
      }
      const original = new Map<string, string>();
      for (const { name, shape, encoding, byteLength } of source.tensors) {
        if (blocks.some((tensor) => tensor.name === name)) continue;
        if (encoding === half)
          original.set(name, `[${shape.join()}] ${sha256(await source.readBytes(name, 0, byteLength))}`);
        // the few that a checkpoint stores in f32 are rounded to the asked type on both ways
        else if (blocks.length === 0) original.set(name, (await roundedTo(source, half)).get(name) ?? "");
      }
      expect(Object.fromEntries(back)).toEqual(Object.fromEntries(original));
    });
  });

  const rounded = new Map<string, Promise<Map<string, string>>>();
  function roundedTo(source: Model, type: string): Promise<Map<string, string>> {
    const found = rounded.get(source.folder) ?? tensorsAs(source, type);
    rounded.set(source.folder, found);
    return found;
  }
});
