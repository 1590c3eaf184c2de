/** A published tokenizer at its real size on its way to GGUF and back. */
import { createHash } from "node:crypto";
import { Tokenizer } from "@huggingface/tokenizers";
import { type Metadata, memoryStore } from "@requant/core";
import { writeGguf } from "@requant/gguf";
import { expect } from "vitest";
import { corpus } from "../../../../fixtures/corpus.ts";
import {
  publishedFile,
  type RealVocabularyName,
  realVocabularies,
  realVocabularyDirectory,
} from "../../../../fixtures/real-vocabularies.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

type Files = ReadonlyMap<string, Uint8Array>;

async function converted(
  from: Files,
  name: string,
  file: string | undefined,
  target: string,
): Promise<Files> {
  const store = memoryStore({ name });
  for (const [path, bytes] of from) store.files.set(path, bytes);
  const model = await openModel({ store, file });
  const output = memoryStore({ name: `${name}-out` });
  const plan = await planConversion(
    model,
    parseTarget(target),
    target.startsWith("gguf") ? { outputName: name } : {},
  );
  await runPlan(plan, model, output);
  await model.close();
  return output.files;
}

/** The directory as `gguf:f16`: one file. */
export async function asGguf(name: RealVocabularyName): Promise<Uint8Array> {
  const { files } = await realVocabularyDirectory(name);
  const [bytes] = (await converted(files, name, undefined, "gguf:f16")).values();
  return bytes ?? new Uint8Array(0);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The same file with other metadata. */
export async function withMetadata(
  gguf: Uint8Array,
  change: (metadata: Metadata) => Metadata,
): Promise<Uint8Array> {
  const store = memoryStore();
  store.files.set("model.gguf", gguf);
  const model = await openModel({ store, file: "model.gguf" });
  const tensors = [];
  for (const { name, shape, encoding, byteLength } of model.tensors) {
    const data = [(await model.readBytes(name, 0, byteLength)).slice()];
    tensors.push({ name, shape, encoding, data });
  }
  const output = memoryStore();
  const sink = await output.create("model.gguf");
  await writeGguf(sink, { metadata: change(model.gguf?.metadata ?? new Map()), tensors });
  await sink.close();
  await model.close();
  return output.files.get("model.gguf") ?? new Uint8Array(0);
}

const TEXT_COUNT = 2000;

/** Numbers, and runs of each kind of white space, of every length up to 40, beside the texts that all tests share. */
function texts(): readonly string[] {
  const made: string[] = [];
  for (let length = 1; length <= 40; length++) {
    for (const space of [" ", "\n", "\t", "\r\n"])
      made.push(`a${space.repeat(length)}b${space.repeat(41 - length)}`);
    made.push("1234567890".repeat(4).slice(0, length));
  }
  return [...made, ...corpus(TEXT_COUNT - made.length, false)];
}

interface KnownDifferences {
  /** What the second tokenizer is given for a text. */
  readonly given?: (text: string) => string;
  /** Texts that are not compared. */
  readonly leftOut?: RegExp;
}

/** Tokenizes 2,000 texts with the published tokenizer and with the one that the GGUF becomes. Oracle: @huggingface/tokenizers. */
export async function expectSameTokens(
  name: RealVocabularyName,
  gguf: Uint8Array,
  { given = (text) => text, leftOut }: KnownDifferences = {},
): Promise<void> {
  const back = await converted(new Map([[`${name}.gguf`, gguf]]), name, `${name}.gguf`, "safetensors:f16");
  const config: { vocab_size?: number } = json(back.get("config.json"));
  expect(config.vocab_size).toBe(realVocabularies[name].vocabularySize);
  const published = tokenizerOf((file) => publishedFile(name, file));
  const ours = tokenizerOf((file) => back.get(file));
  const different: unknown[] = [];
  let compared = 0;
  for (const text of texts()) {
    if (leftOut?.test(text)) continue;
    compared++;
    const wanted = published.encode(text).tokens.join(" ");
    const found = ours.encode(given(text)).tokens.join(" ");
    if (wanted !== found) different.push({ text, wanted, found });
  }
  expect(different).toEqual([]);
  expect(compared).toBeGreaterThan(0.98 * TEXT_COUNT);
}

function tokenizerOf(file: (name: string) => Uint8Array | undefined): Tokenizer {
  return new Tokenizer(json(file("tokenizer.json")), json(file("tokenizer_config.json")));
}

function json(bytes: Uint8Array | undefined) {
  return JSON.parse(new TextDecoder().decode(bytes));
}
