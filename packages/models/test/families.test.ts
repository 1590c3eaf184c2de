/**
 * Every family in the table, both ways, without weights. Oracle: the output of llama.cpp 0.7.0's converter for the same
 * directory, and for tokenizers a JavaScript tokenizer library run on the original tokenizer.json.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { parseManifest } from "../../../fixtures/arch-golden.ts";
import { corpus } from "../../../fixtures/corpus.ts";
import { architectures, type GgufModelPlan, hfToGguf } from "../src/index.ts";
import {
  backTo,
  configDifferences,
  filesOf,
  idDifferences,
  listed,
  orderless,
  roles,
  spellingDifferences,
} from "./comparisons.ts";
import { readVector, type Vector, vectorFiles, vectorNames } from "./vector.ts";

/** The classes of the second golden set, whose models are not kept in this repository (arch-golden.test.ts). */
const manifest = join(process.env["REQUANT_GOLDEN"] ?? "", "arch2/manifest.json");
const hasGolden = process.env["REQUANT_GOLDEN"] !== undefined && existsSync(manifest);
const goldenClasses: readonly string[] = hasGolden
  ? Object.values<{ arch: string }>(parseManifest(readFileSync(manifest, "utf8")).models).map(
      ({ arch }) => arch,
    )
  : [];

function hfNames(vector: Vector): readonly string[] {
  return vector.tensors.map(([name, shape]) => `${name} ${shape.join()}`).sort();
}

test.skipIf(!hasGolden)(
  "each family of the table has a vector or a golden model (skipped: REQUANT_GOLDEN is not set)",
  () => {
    // families without a golden model: see qwen1.test.ts and convert's mistral-params.test.ts
    const classes = new Set([
      "QWenLMHeadModel",
      "MistralParams",
      ...vectorNames.map((name) => readVector(name).class),
      ...goldenClasses,
    ]);
    expect(
      architectures.filter((one) => !one.classes.some((name) => classes.has(name))).map(({ name }) => name),
    ).toEqual([]);
  },
);

describe.each(vectorNames)("%s", (name) => {
  const vector = readVector(name);
  const files = vectorFiles(vector);

  test("HF → GGUF: every metadata key, type, value, and their order", () => {
    expect(listed(hfToGguf(files, { fileType: vector.fileType }))).toEqual(orderless(vector.metadata));
    const changed = vector.metadata.map(
      (entry) => vector.metadataF32.find(({ key }) => key === entry.key) ?? entry,
    );
    expect(listed(hfToGguf(files, { fileType: "F32" }))).toEqual(orderless(changed));
  });

  test("HF → GGUF: every tensor's name, shape, type, and their order", () => {
    const plan = hfToGguf(files, { fileType: vector.fileType });
    const typeOf = ({ keeps, forceF32 }: GgufModelPlan["tensors"][number]): string =>
      keeps ?? (forceF32 ? "F32" : vector.fileType);
    expect(plan.tensors.map((tensor) => [tensor.name, tensor.shape, typeOf(tensor)])).toEqual(vector.gguf);
    expect(plan.leftOut).toEqual([]);
  });

  test("GGUF → HF: the tensors, an equivalent config, and the same GGUF again", () => {
    const gguf = hfToGguf(files, { fileType: vector.fileType });
    const back = backTo(gguf);
    const names = back.tensors.map((tensor) => `${tensor.name} ${tensor.shape.join()}`).sort();
    // MXFP4 experts come back as plain ones
    if (files.tensors.some(({ encoding }) => encoding.startsWith("MXFP4")))
      expect(names.length).toBeGreaterThan(0);
    else expect(names).toEqual(hfNames(vector));
    expect(configDifferences(files, back)).toEqual([]);
    if (vector.configByHand !== true)
      expect(spellingDifferences(String(vector.files["config.json"]), back)).toEqual([]);
    expect(idDifferences(files, back)).toEqual([]);
    // general.* is read from the directory's name and README
    const own = (plan: GgufModelPlan) => listed(plan).filter(({ key }) => !key.startsWith("general."));
    const again = hfToGguf(filesOf(back), { fileType: vector.fileType });
    expect(own(again)).toEqual(own(gguf));
  });
});

/** Their vocabularies, which no tokenizer.json holds: own-vocabularies.test.ts. */
const ownVocabularies = ["plamo2", "plamo3", "rwkv7"];

describe.each(vectorNames.filter((name) => !ownVocabularies.includes(name)))("%s", (name) => {
  const vector = readVector(name);
  const files = vectorFiles(vector);
  const back = backTo(hfToGguf(files, { fileType: vector.fileType }));
  const json = String(back.files.get("tokenizer.json"));
  const ours = new Tokenizer(JSON.parse(json), JSON.parse(String(back.files.get("tokenizer_config.json"))));

  test("GGUF → HF: the golden samples' token ids", () => {
    expect(back.leftOut.filter((one) => one.name === "tokenizer")).toEqual([]);
    for (const { text, llamacpp, transformers } of vector.tokenization) {
      // without an original, Requant's tokenizer.json puts a space before a text that has none; llama.cpp and
      // SentencePiece put one before every text
      const spaced = !files.tokenizerJson && /"prepend_scheme":\s*"first"/.test(json) && text.startsWith(" ");
      expect([text, ours.encode(spaced ? ` ${text}` : text).ids]).toEqual([text, transformers ?? llamacpp]);
    }
  });

  test("GGUF → HF: the original's special tokens, in every file that names them", () => {
    const read = (file: string) => JSON.parse(String(back.files.get(file)));
    const text = (token: unknown): unknown =>
      typeof token === "object" && token !== null && "content" in token ? token.content : token;
    for (const role of roles) {
      const original = text(files.tokenizerConfig?.[`${role}_token`]);
      if (typeof original !== "string") continue;
      expect([role, text(read("special_tokens_map.json")[`${role}_token`])]).toEqual([role, original]);
      expect([role, text(read("tokenizer_config.json")[`${role}_token`])]).toEqual([role, original]);
      const id = JSON.parse(json).added_tokens.find(
        (token: { content: string }) => token.content === original,
      )?.id;
      const [first] = [read("generation_config.json")[`${role}_token_id`]].flat();
      expect([role, first]).toEqual([role, id]);
    }
  });

  test.skipIf(!files.tokenizerJson)("GGUF → HF: the original tokenizer.json's token ids", () => {
    const theirs = new Tokenizer(files.tokenizerJson ?? {}, files.tokenizerConfig ?? {});
    const isMain = ["llama2", "llama31", "mistral", "qwen2", "gemma2"].includes(name);
    for (const text of corpus(isMain ? 2000 : 500)) {
      // Phi-3's special tokens remove the spaces after them (rstrip), which a GGUF does not store
      if (["phi3", "phimoe"].includes(name) && text.includes("|>")) continue;
      expect([text, ours.encode(text).ids]).toEqual([text, theirs.encode(text).ids]);
    }
  });
});
