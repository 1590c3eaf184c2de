/**
 * Qwen3-Reranker and Qwen3-VL-Reranker: Qwen 3 whose answer is "yes" or "no", of which the two rows of the head are kept as a classifier
 * (llama.cpp, conversion/qwen.py `Qwen3Model`, and qwen3vl.py).
 */
import { ConversionError } from "@requant/core";
import { type HfFiles, textConfig, tokenIdIn } from "../hf-files.ts";
import { arrayField, flagField, type JsonObject, textField } from "../json.ts";
import { numberOf, string, stringArray, u32 } from "../metadata-values.ts";
import type { StoredInput } from "../weight-plan.ts";
import type { Architecture, FamilyHints, ParameterRule, TensorContext, TensorRule } from "./architecture.ts";
import { fixed } from "./parameters.ts";
import { RANK } from "./pooling.ts";
import { qwen3 } from "./qwen.ts";
import { deepstackLayers, qwen3vl } from "./qwen-vl.ts";

const answers = ["yes", "no"] as const;

/** The prompt that llama.cpp's converter writes for its reranking endpoint. */
const template =
  '<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n' +
  "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: {query}\n<Document>: {document}<|im_end|>\n" +
  "<|im_start|>assistant\n<think>\n\n</think>\n\n";

/** A reranker is known by its name: in the directory, the config or the model card. */
function isReranker(config: JsonObject, { directoryName = "", readme = "" }: FamilyHints): boolean {
  const [className] = arrayField(config, "architectures") ?? [];
  const inside = textConfig(config);
  const names = [
    directoryName,
    textField(inside, "_name_or_path"),
    textField(inside, "model_type"),
    className,
  ];
  const isNamed = names.some((name) => typeof name === "string" && /qwen3-(?:vl-)?reranker/i.test(name));
  return isNamed || /# qwen3-(?:vl-)?reranker/i.test(readme);
}

/** The rows of the two answers, which {@link rerankerFacts} has found in the vocabulary. */
function answerRows(tensor: string, { config }: TensorContext): StoredInput[] {
  const rows = config.get("answer_rows");
  return (Array.isArray(rows) ? rows : []).map((row) => ({
    tensor,
    rows: [Number(row), Number(row) + 1] as const,
  }));
}

function rerankerFacts(files: HfFiles): JsonObject {
  return {
    answer_rows: answers.map((answer) => {
      const id = tokenIdIn(files, answer);
      if (id === undefined) {
        throw new ConversionError(`The vocabulary has no token "${answer}", which a reranker answers with.`, {
          path: "tokenizer.json",
          hint: "Rename the directory if the model is no Qwen3-Reranker.",
        });
      }
      return id;
    }),
  };
}

const tiedHead: TensorRule = {
  hf: ["model.embed_tokens.weight"],
  gguf: ["cls.output.weight", "token_embd.weight"],
  toGguf: ([[name = ""] = []], context) => {
    const shape = context.shapeOf(name);
    return [
      { shape: [answers.length, shape[1] ?? 1], inputs: answerRows(name, context) },
      { shape, inputs: [{ tensor: name }] },
    ];
  },
  toHf: ([, name = ""], { shapeOf }) => [[{ shape: shapeOf(name), inputs: [{ tensor: name }] }]],
};

const ownHead: TensorRule = {
  hf: ["lm_head.weight"],
  gguf: ["cls.output.weight"],
  toGguf: ([[name = ""] = []], context) => [
    { shape: [answers.length, context.shapeOf(name)[1] ?? 1], inputs: answerRows(name, context) },
  ],
  toHf: () => [],
};

const isTied = (config: JsonObject): boolean => flagField(textConfig(config), "tie_word_embeddings") === true;

const rankParameters: readonly ParameterRule[] = [
  fixed("~.pooling_type", u32(RANK)),
  fixed("~.classifier.output_labels", stringArray(answers)),
  fixed("tokenizer.chat_template.rerank", string(template)),
  fixed("tokenizer.chat_templates", stringArray(["rerank"])),
];

/** The rerankers of a family: with a tied head, and with a head of its own. */
function rerankersOf(
  base: Architecture,
  name: string,
  parameters: readonly ParameterRule[],
): readonly [Architecture, Architecture] {
  const without = (...names: readonly string[]): readonly TensorRule[] =>
    base.tensors.filter(({ hf: [first] }) => first === undefined || !names.includes(first));
  const tied: Architecture = {
    ...base,
    claims: (config, hints) => isReranker(config, hints) && isTied(config),
    facts: rerankerFacts,
    parameters,
    tensors: [tiedHead, ...without("model.embed_tokens.weight", "lm_head.*")],
    decoder: undefined,
    finishConfig(draft) {
      base.finishConfig?.(draft);
      draft.values.set("tie_word_embeddings", true);
      draft.values.set("_name_or_path", name);
      draft.assume(
        "tie_word_embeddings",
        true,
        "of the head, the GGUF holds the rows of two answers, which are taken to be rows of the embedding",
      );
    },
    recognises: (metadata, names) =>
      names.has("cls.output.weight") && numberOf(metadata.get(`${base.name}.pooling_type`)) === RANK,
  };
  const own: Architecture = {
    ...tied,
    claims: (config, hints) => isReranker(config, hints) && !isTied(config),
    tensors: [ownHead, ...without("lm_head.*")],
    writesBack: false,
  };
  return [tied, own];
}

const ofText = rerankersOf(qwen3, "Qwen3-Reranker", [...qwen3.parameters, ...rankParameters]);

export const qwen3Reranker: Architecture = ofText[0];
export const qwen3RerankerOwnHead: Architecture = ofText[1];

const ofPictures = rerankersOf(qwen3vl, "Qwen3-VL-Reranker", [
  ...qwen3.parameters,
  ...rankParameters,
  deepstackLayers,
]);

export const qwen3vlReranker: Architecture = ofPictures[0];
export const qwen3vlRerankerOwnHead: Architecture = ofPictures[1];
