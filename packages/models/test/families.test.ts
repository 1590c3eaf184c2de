/**
 * Every family in the table, both ways, without weights. Oracle: the output of llama.cpp 0.7.0's converter for the same
 * directory, and for tokenizers a JavaScript tokenizer library run on the original tokenizer.json.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { corpus } from "../../../fixtures/corpus.ts";
import {
  architectureOfConfig,
  architectures,
  type GgufModelPlan,
  ggufToHf,
  type HfFiles,
  type HfPlan,
  hfToGguf,
  readHfFiles,
  resolveConfig,
} from "../src/index.ts";
import { asListed, type ManifestKey } from "./golden.ts";
import { readVector, type Vector, vectorFiles, vectorNames } from "./vector.ts";

/** The converter lists template names in the order of a Python set, which changes from run to run. */
function orderless(entries: readonly ManifestKey[]): readonly ManifestKey[] {
  return entries.map((entry) =>
    entry.key === "tokenizer.chat_templates"
      ? { ...entry, sha256: "", value: [...(entry.value as string[])].sort() }
      : entry,
  );
}

function listed(plan: GgufModelPlan): readonly ManifestKey[] {
  return orderless([...plan.metadata].map(([key, value]) => asListed(key, value)));
}

/** Rope factors as a reader of the GGUF would hand them over. */
function smallTensors(plan: GgufModelPlan): ReadonlyMap<string, readonly number[]> {
  return new Map(
    plan.tensors.flatMap(({ name, inputs: [input] }) =>
      input !== undefined && "values" in input ? [[name, input.values] as const] : [],
    ),
  );
}

function backTo(plan: GgufModelPlan): HfPlan {
  return ggufToHf({ ...plan, smallTensors: smallTensors(plan) }, { dtype: "BF16" });
}

function filesOf(plan: HfPlan): HfFiles {
  const tensors = plan.tensors.map(({ name, shape }) => ({ name, shape, encoding: "F32" }));
  return readHfFiles("again", plan.files, tensors);
}

/** With keys sorted and numbers as the f32 that GGUF holds. */
function canonical(value: unknown): unknown {
  if (typeof value === "number") return Math.fround(value);
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}

/** Keys that are compared even where the family's class has no defaults. */
const shape = new Set([
  "hidden_size",
  "intermediate_size",
  "max_position_embeddings",
  "num_attention_heads",
  "num_hidden_layers",
  "num_key_value_heads",
  "rms_norm_eps",
  "rope_parameters",
  "tie_word_embeddings",
  "vocab_size",
]);

/** Keys with the same meaning as rope_parameters, which is compared. */
const elsewhere = new Set(["rope_scaling", "rope_theta", "partial_rotary_factor"]);
const roles = ["bos", "eos", "pad"] as const;

/** Config keys that matter and differ, other than those the plan names as assumed. */
function configDifferences(files: HfFiles, plan: HfPlan): readonly string[] {
  const config = JSON.parse(String(plan.files.get("config.json")));
  const family = architectureOfConfig(config);
  const ours = resolveConfig(config, family).values;
  const theirs = resolveConfig(files.config, architectureOfConfig(files.config)).values;
  const assumed = plan.findings.flatMap(({ code, key }) => (code === "assumed" ? (key ?? []) : []));
  return [...theirs.keys()]
    .filter(
      (key) =>
        (Object.hasOwn(family.defaults, key) || shape.has(key)) &&
        !elsewhere.has(key) &&
        !assumed.includes(key),
    )
    .filter((key) => !roles.some((role) => key === `${role}_token_id`))
    .filter((key) => JSON.stringify(canonical(ours.get(key))) !== JSON.stringify(canonical(theirs.get(key))))
    .map((key) => `${key}: ${JSON.stringify(ours.get(key))} was ${JSON.stringify(theirs.get(key))}`);
}

/** A GGUF holds one id a role: the tokenizer's before the config's, one of a list of ends. */
function idDifferences(files: HfFiles, plan: HfPlan): readonly string[] {
  const ours = JSON.parse(String(plan.files.get("config.json")));
  return roles.filter((role) => {
    const theirs = files.config[`${role}_token_id`] ?? null;
    const named = files.tokenizerConfig?.[`${role}_token`];
    if (theirs === null || named !== undefined) return false;
    const own = ours[`${role}_token_id`];
    return Array.isArray(theirs) ? !theirs.includes(own) : own !== theirs;
  });
}

/** Numbers that one config.json writes with a point or an exponent, and the other without; transformers wrote the source. */
function spellingDifferences(files: Vector["files"], plan: HfPlan): readonly string[] {
  const numbers = (text: string): Map<string, string> =>
    new Map(
      [...text.matchAll(/^ {2}"(\w+)": (-?\d[\d.e+-]*),?$/gm)].map(([, key = "", number = ""]) => [
        key,
        number,
      ]),
    );
  const isReal = (number: string): boolean => /[.e]/.test(number);
  const theirs = numbers(String(files["config.json"]));
  return [...numbers(String(plan.files.get("config.json")))].flatMap(([key, number]) => {
    const source = theirs.get(key);
    const differs = source !== undefined && isReal(source) !== isReal(number);
    return differs ? [`${key}: ${number} was ${source}`] : [];
  });
}

function hfNames(vector: Vector): readonly string[] {
  return vector.tensors.map(([name, shape]) => `${name} ${shape.join()}`).sort();
}

test("the table and the vectors name the same classes", () => {
  // families without a golden model: see qwen1.test.ts, bert.test.ts and convert's mistral-params.test.ts
  const classes = new Set([
    "QWenLMHeadModel",
    "MistralParams",
    "BertModel",
    "XLMRobertaModel",
    ...vectorNames.map((name) => readVector(name).class),
  ]);
  expect(
    architectures.filter((one) => !one.classes.some((name) => classes.has(name))).map(({ name }) => name),
  ).toEqual([]);
});

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
    expect(spellingDifferences(vector.files, back)).toEqual([]);
    expect(idDifferences(files, back)).toEqual([]);
    // general.* is read from the directory's name and README
    const own = (plan: GgufModelPlan) => listed(plan).filter(({ key }) => !key.startsWith("general."));
    const again = hfToGguf(filesOf(back), { fileType: vector.fileType });
    expect(own(again)).toEqual(own(gguf));
  });
});

describe.each(vectorNames)("%s", (name) => {
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
      expect([role, read("generation_config.json")[`${role}_token_id`]]).toEqual([role, id]);
    }
  });

  test.skipIf(!files.tokenizerJson)("GGUF → HF: the original tokenizer.json's token ids", () => {
    const theirs = new Tokenizer(files.tokenizerJson ?? {}, files.tokenizerConfig ?? {});
    const isMain = ["llama2", "llama31", "mistral", "qwen2", "gemma2"].includes(name);
    for (const text of corpus(isMain ? 2000 : 500)) {
      // Phi-3's special tokens remove the spaces after them (rstrip), which a GGUF does not store
      if (name === "phi3" && text.includes("|>")) continue;
      expect([text, ours.encode(text).ids]).toEqual([text, theirs.encode(text).ids]);
    }
  });
});
