/**
 * The tokens that `evaluate`, `imatrix` and `calibrate` read a text as, with published vocabularies at their real size, from the
 * directory and from its GGUF. Oracle: llama.cpp on the same GGUF.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bosOf, openTokenizer, type TextTokenizer } from "@requant/calibrate";
import { calibrationText } from "@requant/calibration-text";
import {
  decoderSource,
  type Model,
  modelTokenizer,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
} from "@requant/convert";
import { memoryStore } from "@requant/core";
import { afterAll, describe, expect, it } from "vitest";
import { corpus } from "../../../fixtures/corpus.ts";
import { loadLlama, withVocabulary } from "../../../fixtures/llama-client.ts";
import { isLongRun } from "../../../fixtures/long-tests.ts";
import {
  type RealVocabularyName,
  realVocabularies,
  realVocabularyDirectory,
} from "../../../fixtures/real-vocabularies.ts";

/** Where llama.cpp reads a text otherwise than the published tokenizer does, and in how many of the texts below. */
interface Departure {
  readonly reason: string;
  readonly where: RegExp | ((text: string) => boolean);
  readonly texts: number;
  /** The GGUF holds what llama.cpp does, so that the GGUF's tokens are llama.cpp's. */
  readonly inGguf?: boolean;
}

const marks: Omit<Departure, "texts"> = {
  reason: "llama.cpp's pattern of gpt-4o has no combining marks",
  where: /\p{M}/u,
};

const departures: Partial<Record<RealVocabularyName, Departure>> = {
  llama3: {
    reason:
      "the converter names this file smaug-bpe, for which llama.cpp merges words that are tokens already",
    where: /\P{ASCII}/u,
    texts: 3,
  },
  qwen3: {
    reason: "llama.cpp does not compose characters (NFC)",
    where: (text) => text !== text.normalize("NFC"),
    texts: 1,
  },
  gptoss: { ...marks, texts: 12 },
  gpt4o: { ...marks, texts: 12 },
  gemini: {
    reason: "the converter calls tokens such as <b> and runs of newlines ordinary, so that they are merged",
    where: /<\w+>|\n{2}/,
    texts: 2,
    inGguf: true,
  },
};

/**
 * Where a GGUF does not say how a text is read, and how many of the texts below its tokenizer reads otherwise than the
 * published one.
 */
const unsettledByGguf: Partial<
  Record<RealVocabularyName, Pick<Departure, "reason" | "texts"> & { where: RegExp }>
> = {
  gemma3: {
    reason:
      "no token holds 32 spaces, and a GGUF does not say how such a run is cut: the published file and llama.cpp take the longest token first, transformers 5 does not",
    where: / {32}/,
    texts: 1,
  },
};

/** One of each kind of vocabulary; the others take minutes and run with REQUANT_LONG=1. */
const quick: readonly RealVocabularyName[] = ["llama2", "llama3_1", "gemma3"];

/** What the tokenizer of a GGUF is given for a text. */
const givenToGguf: Partial<Record<RealVocabularyName, (text: string) => string>> = {
  // transformers writes tokenizer.json so today: a space is put before a text that has none, not before every text
  llama2: (text) => (text.startsWith(" ") ? ` ${text}` : text),
};

async function asGguf(model: Model): Promise<Uint8Array> {
  const output = memoryStore();
  await runPlan(await planConversion(model, parseTarget("gguf:f16"), { outputName: "model" }), model, output);
  const [bytes] = output.files.values();
  return bytes ?? new Uint8Array(0);
}

async function tokenizerOf(model: Model): Promise<TextTokenizer> {
  const { tokenizer, config } = await modelTokenizer(model);
  const encoded = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  return openTokenizer({ tokenizer: encoded(tokenizer), config: encoded(config) });
}

const texts = [...calibrationText.split(/(?<=\n\n)/), ...corpus(100, false)];
const client = await loadLlama();
const folder = mkdtempSync(join(tmpdir(), "requant-tokens-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf("reason" in client)(
  `llama.cpp${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(isLongRun ? (Object.keys(realVocabularies) as RealVocabularyName[]) : quick)(
      "%s: the same tokens and the same BOS",
      async (name) => {
        const directory = await openModel({ store: await realVocabularyDirectory(name) });
        const bytes = await asGguf(directory);
        const store = memoryStore();
        store.files.set("model.gguf", bytes);
        const file = await openModel({ store, file: "model.gguf" });
        const [published, written] = [await tokenizerOf(directory), await tokenizerOf(file)];
        const { metadata } = await decoderSource(file);
        expect(bosOf((await decoderSource(directory)).metadata)).toBe(bosOf(metadata));
        const path = join(folder, `${name}.gguf`);
        writeFileSync(path, bytes);
        await withVocabulary(llama, path, async (model) => {
          const { bos, shouldPrependBosToken } = model.tokens;
          expect(bosOf(metadata)).toBe(shouldPrependBosToken ? bos : undefined);
          const { where = () => false, texts: count = 0, inGguf = false } = departures[name] ?? {};
          const unsettled = unsettledByGguf[name];
          const given = givenToGguf[name] ?? ((text: string): string => text);
          const departs = (text: string): boolean =>
            where instanceof RegExp ? where.test(text) : where(text);
          let departed = 0;
          let unsettledTexts = 0;
          for (const text of texts) {
            const theirs = model.tokenize(text, false).join(" ");
            const ours = published.encode(text).join(" ");
            const fromGguf = written.encode(given(text)).join(" ");
            const wanted = inGguf ? theirs : ours;
            if (fromGguf !== wanted && unsettled?.where.test(text)) unsettledTexts++;
            else expect(fromGguf).toBe(wanted);
            if (ours === theirs) continue;
            departed++;
            if (!departs(text)) expect({ text, tokens: ours }).toEqual({ text, tokens: theirs });
          }
          expect(departed).toBe(count);
          expect(unsettledTexts).toBe(unsettled?.texts ?? 0);
          if (count > 0) return;
          const whole = model.tokenize(calibrationText, false);
          expect(published.encode(calibrationText)).toEqual(Int32Array.from(whole));
        });
      },
      300_000,
    );
  },
);
