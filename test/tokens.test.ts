/**
 * 500 texts in every tokenizer of the families: llama.cpp on the vocabulary that is written for it, and the tokenizer.json that is
 * written back. Oracles: the libraries that define the tokenizers (`scripts/reference-tokens.py`) and llama.cpp itself.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { afterAll, describe, expect, it } from "vitest";
import { goldenFamilies } from "../fixtures/arch-golden.ts";
import { loadLlama, withVocabulary } from "../fixtures/llama-client.ts";
import { isLongRun } from "../fixtures/long-tests.ts";
import { differingTexts, tokenReference } from "../fixtures/tokens.ts";
import { type Metadata, type MetadataValue, memoryStore } from "../packages/core/src/index.ts";
import { writeGguf } from "../packages/gguf/src/index.ts";
import { architectureOfConfig, type HfFiles, resolveConfig } from "../packages/models/src/index.ts";
import { addTokenizerMetadata } from "../packages/models/src/tokenizer/to-gguf.ts";
import { type HfTokenizer, tokenizerFiles } from "../packages/models/src/tokenizer/to-hf.ts";
import { readDirectory } from "../packages/models/test/golden.ts";
import {
  filesOf,
  readTokenizerVector,
  tokenizerVectorNames,
} from "../packages/models/test/tokenizer-vector.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-tokens-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Model {
  readonly name: string;
  readonly files: () => HfFiles;
}

type Concerns = (name: string, json: string) => boolean;

/** Tokenizers whose written tokenizer.json has a step of this type. */
const hasStep =
  (type: string): Concerns =>
  (_, json) =>
    json.includes(`"type":"${type}"`);
const isOneOf =
  (...names: string[]): Concerns =>
  (name) =>
    names.includes(name);

/** Where texts get other ids than those of the library, and of how many of the 500 texts at most. */
interface Departure {
  readonly reason: string;
  readonly models: Concerns;
  readonly texts: (text: string) => boolean;
  readonly atMost: number;
}

const ofLlama: readonly Departure[] = [
  {
    reason: "llama.cpp does not compose characters (NFC)",
    models: hasStep("NFC"),
    texts: (text) => text !== text.normalize("NFC"),
    atMost: 2,
  },
  {
    reason:
      "BERT's normalizer removes some control characters at which llama.cpp cuts; llama.cpp removes all marks and the vowels of decomposed Korean, and BERT only marks without width",
    models: hasStep("WordPiece"),
    texts: (text) => /[\v\f\u0085\p{Mc}\p{Me}\p{Script=Hangul}]/u.test(text),
    atMost: 5,
  },
  {
    reason:
      "the published tokenizer.json cuts at all white space, SentencePiece and llama.cpp at spaces alone",
    models: isOneOf("vectors/xlmr_json", "arch2/nomic_bert_moe", "arch2/jina_bert_v3"),
    texts: (text) => /[^\S ]/.test(text),
    atMost: 2,
  },
  {
    reason: "llama.cpp cuts the texts of Gemma 4 at ends of lines",
    models: isOneOf("arch/gemma4"),
    texts: (text) => text.includes("\n\n\n"),
    atMost: 1,
  },
  {
    reason:
      "the converter gives all tokens of such a tokenizer.json one score, and llama.cpp merges by score",
    models: isOneOf("arch2/deci", "arch2/xverse"),
    texts: () => true,
    atMost: 478,
  },
];

const ofJson: readonly Departure[] = [
  {
    reason: "the JavaScript library's Digits step knows decimal digits only",
    models: hasStep("Digits"),
    texts: (text) => /[\p{Nl}\p{No}]/u.test(text),
    atMost: 4,
  },
  {
    reason: "the JavaScript library has other rules in the place of a charsmap",
    models: hasStep("Precompiled"),
    texts: (text) => /[^\x20-\x7e]/.test(text),
    atMost: 12,
  },
  {
    reason: "Gemma's tokenizer.json, the published one too, cuts behind each space, SentencePiece does not",
    models: (name, json) => json.includes('"MergedWithPrevious"') && name !== "arch/gemma4",
    texts: (text) => text.includes("  "),
    atMost: 2,
  },
  {
    reason: "transformers makes tokenizer.json cut at all white space; SentencePiece cuts at spaces alone",
    models: hasStep("WhitespaceSplit"),
    texts: (text) => /[^\S ]/.test(text),
    atMost: 11,
  },
];

/** Texts of the library that are given to one of the two in another form. */
interface Given {
  readonly reason: string;
  readonly models: Concerns;
  readonly llama?: (text: string) => string;
  readonly json?: (text: string) => string;
}

const given: readonly Given[] = [
  {
    reason: "the converter writes that ERNIE puts no space before a text, whatever the tokenizer.model says",
    models: isOneOf("arch/ernie45", "arch2/ernie45_moe"),
    llama: (text) => ` ${text}`,
    json: (text) => ` ${text}`,
  },
  {
    reason: "this tokenizer.json puts a space before a text that has none, SentencePiece before every text",
    models: (_, json) => json.includes('"prepend_scheme":"first"'),
    json: (text) => (text.startsWith(" ") ? ` ${text}` : text),
  },
  {
    reason: "llama.cpp puts a space before every text, this tokenizer.json before a text that has none",
    models: isOneOf("variants/unigram with runs of spaces"),
    llama: (text) => (text.startsWith(" ") ? text.slice(1) : text),
  },
];

/** The differing texts that no departure explains, and the departures that explain too many. */
function unexplained(differing: readonly string[], departures: readonly Departure[]): readonly string[] {
  const rest = departures.reduce(
    (texts, { texts: explains }) => texts.filter((text) => !explains(text)),
    differing,
  );
  const most = departures.reduce((sum, { atMost }) => sum + atMost, 0);
  return differing.length > most
    ? [...rest, `${differing.length} texts differ, of which at most ${most} may`]
    : rest;
}

/** The `tokenizer.*` keys of a directory, and the files that are written back for them. */
function converted(files: HfFiles): { readonly metadata: Metadata; readonly back: HfTokenizer } {
  const family = architectureOfConfig(files.config);
  const metadata = new Map<string, MetadataValue>();
  metadata.set("general.architecture", { type: "string", value: family.name });
  const config = resolveConfig(files.config, family);
  addTokenizerMetadata(metadata, files, config, family.name, family.tokenizer);
  return { metadata, back: tokenizerFiles(metadata, family.tokenizer, undefined) };
}

async function vocabularyFile(metadata: Metadata): Promise<string> {
  const store = memoryStore({ name: "vocabulary" });
  const sink = await store.create("o.gguf");
  await writeGguf(sink, { metadata, tensors: [] });
  await sink.close();
  const path = join(folder, "o.gguf");
  writeFileSync(path, store.files.get("o.gguf") ?? "");
  return path;
}

function variantFiles(name: string): HfFiles {
  const variant = tokenReference.variants[name];
  const vector = readTokenizerVector(variant?.of ?? "");
  const tokenizer = JSON.parse(vector.files["tokenizer.json"] ?? "");
  const config = JSON.parse(vector.files["tokenizer_config.json"] ?? "");
  if (variant !== undefined && variant.pieces.length > 0) tokenizer.model.vocab.push(...variant.pieces);
  const files = {
    ...vector.files,
    "tokenizer.json": JSON.stringify({ ...tokenizer, ...variant?.settings }),
    "tokenizer_config.json": JSON.stringify({ ...config, ...variant?.config }),
  };
  return filesOf({ ...vector, files });
}

const bundled: readonly Model[] = [
  ...tokenizerVectorNames.map((name) => ({
    name: `vectors/${name}`,
    files: () => filesOf(readTokenizerVector(name)),
  })),
  ...Object.keys(tokenReference.variants).map((name) => ({
    name: `variants/${name}`,
    files: () => variantFiles(name),
  })),
];
const golden: readonly Model[] = goldenFamilies.map(({ set, name, path }) => ({
  name: `${set}/${name}`,
  files: () => readDirectory(path),
}));
/** Of the golden models with the same ids for all texts the first one, but with REQUANT_LONG=1 all. */
const models = [
  ...bundled,
  ...golden.filter(({ name }) => isLongRun || tokenReference.models[name] === name),
];
const scope =
  golden.length === 0
    ? "the golden families are skipped: REQUANT_GOLDEN is not set"
    : isLongRun
      ? "all golden families"
      : "one golden family of each vocabulary; the others are skipped: REQUANT_LONG=1 is not set";
const client = await loadLlama();

it.skipIf(golden.length === 0)("there are ids for every golden family", () => {
  const names = [...bundled, ...golden].map(({ name }) => name);
  expect(Object.keys(tokenReference.models).sort()).toEqual(names.sort());
});

describe.skipIf("reason" in client)(
  `500 texts in llama.cpp${"reason" in client ? ` (skipped: ${client.reason})` : ""}: ${scope}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(models)("$name", async ({ name, files }) => {
      const { metadata, back } = converted(files());
      const json = JSON.stringify(back.files.get("tokenizer.json") ?? {});
      const change = given.find(({ models: concerns }) => concerns(name, json))?.llama ?? ((text) => text);
      const path = await vocabularyFile(metadata);
      await withVocabulary(llama, path, async (model) => {
        const set = tokenReference.models[name] ?? "";
        const differing = differingTexts(set, (text) => model.tokenize(change(text), false));
        const departures = ofLlama.filter(({ models: concerns }) => concerns(name, json));
        expect(unexplained(differing, departures)).toEqual([]);
      });
    });
  },
);

/** Tokenizers that tokenizer.json cannot hold, and why. */
const withoutJson: Readonly<Record<string, RegExp>> = {
  "arch2/deci": /all tokens have the same score/,
  "arch2/xverse": /all tokens have the same score/,
  // rwkv_vocab_v20230424.txt and tokenizer.jsonl come back: packages/models/test/own-vocabularies.test.ts
  "arch2/rwkv6": /^$/,
  "arch2/plamo2": /^$/,
};

describe(`500 texts in the tokenizer.json that is written back: ${scope}`, () => {
  it.each(models)("$name", ({ name, files }) => {
    const { back } = converted(files());
    const tokenizer = back.files.get("tokenizer.json");
    const none = withoutJson[tokenReference.models[name] ?? ""];
    expect(tokenizer === undefined).toBe(none !== undefined);
    if (tokenizer === undefined) return expect(back.leftOut ?? "").toMatch(none ?? "");
    const json = JSON.stringify(tokenizer);
    const config = JSON.stringify(back.files.get("tokenizer_config.json"));
    const ours = new Tokenizer(JSON.parse(json), JSON.parse(config));
    const change = given.find(({ models: concerns }) => concerns(name, json))?.json ?? ((text) => text);
    const set = tokenReference.models[name] ?? "";
    const differing = differingTexts(
      set,
      (text) => ours.encode(change(text), { add_special_tokens: false }).ids,
    );
    const departures = ofJson.filter(({ models: concerns }) => concerns(name, json));
    expect(unexplained(differing, departures)).toEqual([]);
  });
});
