/**
 * Every pre-tokenizer that a GGUF can name: the tokenizer.json that we write for it cuts texts as llama.cpp does. Oracle: llama.cpp
 * itself, on a vocabulary whose merges run across everything that is cut.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Tokenizer } from "@huggingface/tokenizers";
import type { MetadataValue } from "@requant/core";
import { fileSink } from "@requant/core/node";
import { writeGguf } from "@requant/gguf";
import { ggufToHf, hfToGguf, readHfFiles } from "@requant/models";
import { afterAll, describe, expect, it } from "vitest";
import { corpus } from "../../../../fixtures/corpus.ts";
import { loadLlama, withVocabulary } from "../../../../fixtures/llama-client.ts";
import { preTokenizers } from "../../../models/src/tokenizer/pre-tokenizers.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-pre-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const client = await loadLlama();

const bpe: { vocab: Record<string, number>; merges: [string, string][] } = JSON.parse(
  gunzipSync(readFileSync(new URL("../vectors/pre-tokenizers/bpe.json.gz", import.meta.url))).toString(
    "utf8",
  ),
);
const gpt2 = new URL("../../../../fixtures/arch/gpt2-tiny/", import.meta.url);
const size = Object.keys(bpe.vocab).length;
const config: object = JSON.parse(readFileSync(new URL("config.json", gpt2), "utf8"));
const hidden = 64;

/** A GPT-2 with this vocabulary and no weights. */
const plan = hfToGguf(
  readHfFiles(
    "pre",
    new Map([
      [
        "config.json",
        JSON.stringify({ ...config, vocab_size: size, n_layer: 1, bos_token_id: 0, eos_token_id: 0 }),
      ],
      [
        "tokenizer.json",
        JSON.stringify({
          pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
          model: { type: "BPE", ...bpe },
        }),
      ],
      ["tokenizer_config.json", "{}"],
    ]),
    [{ name: "transformer.wte.weight", shape: [size, hidden], encoding: "F32" }],
  ),
  { fileType: "F32" },
);

interface Difference {
  readonly names: readonly string[];
  readonly reason: string;
  /** Texts in which it shows. */
  readonly when: (text: string) => boolean;
}

/** Where llama.cpp (or the JavaScript library) does less than tokenizer.json says, whoever wrote the files. */
const differences: readonly Difference[] = [
  {
    names: ["gpt-4o", "llama4", "minimax-m2", "kanana2", "talkie", "tekken", "tiny_aya", "cohere2moe"],
    reason: "llama.cpp tells capitals from small letters in ASCII only, and no marks from letters",
    when: (text) => /\p{M}|(?![A-Za-z])[\p{Lu}\p{Ll}\p{Lt}]/u.test(text),
  },
  {
    names: ["tiny_aya", "cohere2moe"],
    reason: "llama.cpp does not cut before a capital inside a word here",
    when: (text) => /[a-z][A-Z]/.test(text),
  },
  {
    names: ["kimi-k2"],
    reason: "llama.cpp does not tell capitals from small letters, and no marks from other signs",
    when: (text) => /\p{Ll}\p{Lu}|\p{M}/u.test(text),
  },
  {
    names: ["deepseek-llm"],
    reason:
      "llama.cpp takes runs of digits where tokenizer.json cuts each, and has a list of letters of its own",
    when: (text) => /\d|[^\0-\x7f]/.test(text),
  },
  {
    names: ["deepseek-coder"],
    reason: "spaces outside ASCII are none to llama.cpp here",
    when: (text) => /[^\S\0-\x7f]/.test(text),
  },
  {
    names: ["mpt", "olmo", "modern-bert"],
    reason: "llama.cpp does not normalize to NFC",
    when: (text) => text.normalize("NFC") !== text,
  },
  {
    names: preTokenizers.flatMap(({ steps, names: rules, aliases = [] }) =>
      steps.some((step) => "digits" in step) ? [...rules.map(({ name }) => name), ...aliases] : [],
    ),
    reason: "the JavaScript library's Digits step knows ASCII digits only",
    when: (text) => /(?!\d)\p{N}/u.test(text),
  },
];

/** llama.cpp leaves out one of Falcon's steps: it does not cut one or two digits from the space before them. */
const notProved = ["falcon"];

const names = preTokenizers.flatMap(({ names: rules, aliases = [] }) => [
  ...new Set([...rules.map(({ name }) => name), ...aliases]),
]);

describe.skipIf("reason" in client)(
  `llama.cpp cuts texts as the tokenizer.json does${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each([...new Set(names)].filter((name) => !notProved.includes(name)))("%s", async (name) => {
      const metadata = new Map<string, MetadataValue>(plan.metadata).set("tokenizer.ggml.pre", {
        type: "string",
        value: name,
      });
      const path = join(folder, `${name}.gguf`);
      const sink = await fileSink(path);
      await writeGguf(sink, { metadata, tensors: [] });
      await sink.close();
      const back = ggufToHf({ metadata, tensors: plan.tensors, smallTensors: undefined }, { dtype: "F32" });
      const tokenizer = new Tokenizer(
        JSON.parse(String(back.files.get("tokenizer.json"))),
        JSON.parse(String(back.files.get("tokenizer_config.json"))),
      );
      await withVocabulary(llama, path, async (model) => {
        const known = differences.filter((one) => one.names.includes(name));
        const different: string[] = [];
        let compared = 0;
        for (const text of corpus(200, false)) {
          if (known.some(({ when }) => when(text))) continue;
          compared++;
          const ours = tokenizer.encode(text, { add_special_tokens: false }).ids;
          const theirs = [...model.tokenize(text, false)];
          if (JSON.stringify(ours) !== JSON.stringify(theirs)) different.push(text);
        }
        expect(different).toEqual([]);
        expect(compared).toBeGreaterThan(150);
      });
    });

    it("a unigram tokenizer.json in a Llama: llama.cpp's search finds the same pieces", async () => {
      const tokenizerJson = readFileSync(
        new URL("../../../../fixtures/embedding/xlmr-tiny/tokenizer.json", import.meta.url),
        "utf8",
      );
      const json: { model: { vocab: unknown[] }; post_processor: unknown } = JSON.parse(tokenizerJson);
      const single = [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
      const llamaJson = {
        ...json,
        post_processor: { type: "TemplateProcessing", single, pair: [], special_tokens: {} },
      };
      const made = hfToGguf(
        readHfFiles(
          "unigram",
          new Map([
            [
              "config.json",
              JSON.stringify({ architectures: ["LlamaForCausalLM"], vocab_size: json.model.vocab.length }),
            ],
            ["tokenizer.json", JSON.stringify(llamaJson)],
            [
              "tokenizer_config.json",
              JSON.stringify({ bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" }),
            ],
          ]),
          [],
        ),
        { fileType: "F32" },
      );
      expect(made.metadata.get("tokenizer.ggml.model")?.value).toBe("t5");
      expect(made.metadata.get("tokenizer.ggml.add_bos_token")?.value).toBe(true);
      expect(made.metadata.get("tokenizer.ggml.add_eos_token")?.value).toBe(false);
      const path = join(folder, "unigram.gguf");
      const sink = await fileSink(path);
      await writeGguf(sink, { metadata: made.metadata, tensors: [] });
      await sink.close();
      const tokenizer = new Tokenizer(JSON.parse(tokenizerJson), {});
      await withVocabulary(llama, path, async (model) => {
        let compared = 0;
        for (const text of corpus(200, false)) {
          // this model has no rules that make spaces of tabs and the like: only to tokenizer.json they are some
          if (/[^\S ]|[\u0085\u200b]/.test(text)) continue;
          compared++;
          const ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
          expect([text, [...model.tokenize(text, false)]]).toEqual([text, ids]);
        }
        expect(compared).toBeGreaterThan(150);
      });
    });
  },
);
