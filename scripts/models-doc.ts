/**
 * Writes docs/models.md from the tables of @requant/models: `pnpm run models-table`. A test fails when the file is stale.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Architecture, TensorRule } from "../packages/models/src/architectures/architecture.ts";
import { architectures } from "../packages/models/src/architectures/index.ts";
import { alwaysLeftOut, encodersLeftOut } from "../packages/models/src/left-out.ts";
import { llamaEquivalents, notLlamas } from "../packages/models/src/llamafy/equivalents.ts";
import { projectors } from "../packages/models/src/projectors/index.ts";
import { type PreStep, preTokenizers } from "../packages/models/src/tokenizer/pre-tokenizers.ts";
import type { TokenizerKind } from "../packages/models/src/tokenizer/rules.ts";
import { converterClasses } from "./converter-classes.ts";

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const files: Readonly<Record<TokenizerKind, string>> = {
  tekken: "tekken.json",
  sentencepiece: "tokenizer.model",
  "sentencepiece-json": "tokenizer.json (BPE with byte fallback)",
  "byte-bpe": "tokenizer.json (byte-level BPE)",
  "vocab-merges": "vocab.json, merges.txt",
  tiktoken: "qwen.tiktoken",
  kimi: "tiktoken.model",
  hunyuan: "hy.tiktoken",
  rwkv: "rwkv_vocab_v20230424.txt",
  chatglm3: "tokenizer.model",
  plamo: "tokenizer.jsonl",
  wordpiece: "tokenizer.json (WordPiece)",
  unigram: "tokenizer.json (unigram)",
  unscored: "tokenizer.json (BPE with byte fallback)",
  "tokens-only": "tokenizer.json (BPE with byte fallback)",
  "t5-sentencepiece": "`spiece.model`",
  "xlm-sentencepiece": "sentencepiece.bpe.model",
  "gemma-json": "tokenizer.json (BPE with byte fallback)",
  gemma4: "tokenizer.json (BPE with byte fallback)",
};

/** GGUF names of tensors whose rows or values change, without the layer and the ending. */
function changed(rules: readonly TensorRule[]): string {
  const names = rules
    .filter(({ plain, oneWay }) => plain !== true && oneWay !== true)
    .flatMap(({ gguf }) =>
      gguf.map((name) => name.replace("blk.{layer}.", "").replace(/\.(weight|bias|\*)$/, "")),
    );
  return names.length === 0 ? "renamed only" : [...new Set(names)].map(code).join(", ");
}

function family(architecture: Architecture): readonly string[] {
  const { classes, name, tensors, tokenizer, writesBack, notBack } = architecture;
  return [
    classes.map(code).join(", "),
    code(name),
    changed(tensors),
    tokenizer.kinds.map((kind) => files[kind]).join("; "),
    notBack !== undefined ? `not: ${notBack}` : writesBack === false ? "" : code(classes[0] ?? ""),
  ];
}

/** The differences between two lists of names: `a → b`. */
function moves(rules: readonly TensorRule[]): string {
  const short = (name: string): string =>
    name.replace(/^(model\.layers|transformer\.h)\.\{layer\}\./, "").replace(/\.(weight|\*)$/, "");
  const lines = rules
    .filter(({ hf, gguf, plain }) => plain !== true || hf[0] !== gguf[0])
    .map(({ hf, gguf }) => {
      const to = gguf.map((name) => code(short(name))).join(", ");
      return hf[0] === gguf[0] ? `${to} reordered` : `${code(short(hf[0] ?? ""))} → ${to}`;
    });
  return lines.length === 0 ? "none: the same names" : lines.join("; ");
}

function stepText(step: PreStep): string {
  if ("split" in step) return code(step.split);
  if ("digits" in step) return step.digits === "each" ? "each digit" : "runs of digits";
  if ("punctuation" in step) return "punctuation";
  return step.bytes === "gpt2" ? "GPT-2's regex, bytes" : "bytes";
}

/** The whole document. */
export function modelsDocument(): string {
  const gaps = architectures.flatMap(({ classes, notInGguf, writesBack }) =>
    writesBack === false || notInGguf === undefined
      ? []
      : [
          [
            code(classes[0] ?? ""),
            Object.entries(notInGguf)
              .map(([key, why]) => `${code(key)}: ${why}`)
              .join("; "),
          ],
        ],
  );
  const known = new Set(architectures.flatMap(({ classes }) => classes));
  const missing = converterClasses.filter((name) => !known.has(name));
  return `# Models

Generated from the tables of \`@requant/models\` by \`pnpm run models-table\`; do not edit.

## Families

${architectures.length} families. Hugging Face → GGUF follows llama.cpp's converter; GGUF → Hugging Face writes the class in the last column (a Mistral without a window is a Llama). "Changed" names the GGUF tensors that are more than renamed: rows in another order, parts split or joined, norms stored as \`x + 1\`, decays as \`-exp(x)\`. Stacks of experts count as renamed.

${table(["class", "GGUF", "changed", "tokenizer, the first that is there", "back as"], architectures.map(family))}

A class that is not here still converts tensor by tensor between safetensors-based formats. To GGUF it needs \`--like reference.gguf\`: a GGUF of the same model, whose metadata, tokenizer and names are taken and against which every shape is held.

## Classes that only llama.cpp's converter has

${missing.length} of its ${converterClasses.length} classes of text models are not converted yet: ${missing.map(code).join(", ")}.

## Projectors

The vision or audio side of a model is a GGUF of its own: \`--part mmproj\` writes it as llama.cpp's converter does, \`--part all\` beside the text model. It goes back to the checkpoint's names; config.json is that of the whole model and is not written.

${table(
  ["class", "clip.projector_type", "encoder"],
  projectors.map(({ classes, type, encoder, second }) => [
    classes.map(code).join(", "),
    code(type),
    [encoder, second?.encoder ?? []].flat().join(" and "),
  ]),
)}

## Left out

Named in the plan and in the report, never dropped in silence.

${table(
  ["tensors", "why"],
  [
    ...encodersLeftOut,
    ...alwaysLeftOut,
    ...new Map(
      architectures.flatMap(({ leftOut = [] }) => leftOut.map((rule) => [rule.reason, rule])),
    ).values(),
  ].map(({ pattern, reason }) => [code(pattern.source), reason]),
)}

## What a GGUF does not hold

On the way back these get the class's default, and the report names each.

${table(["class", "config.json"], gaps)}

For every family: \`lstrip\`, \`rstrip\`, \`single_word\` and \`normalized\` of added tokens, lists of ids (one end of text is kept), SentencePiece's normalization rules, dropout and initializer settings.

## Llamas under other names

\`--llamafy\` makes a \`LlamaForCausalLM\` of these, for any target, by moving rows; a missing output bias is zeros.

${table(
  ["class", "moves"],
  llamaEquivalents.map(({ classes, tensors }) => [classes.map(code).join(", "), moves(tensors)]),
)}

Refused, with the reason: sliding windows shorter than the context, other activations, partial or scaled rotary positions, Baichuan 13B (ALiBi), Baichuan 2 (its lm_head is normalized when it runs), and

${table(
  ["class", "because"],
  notLlamas.map(([pattern, reason]) => [code(pattern.source), reason]),
)}

## Tokenizers

SentencePiece BPE (tokenizer.model, or a tokenizer.json of that kind) becomes \`tokenizer.ggml.model\` "llama", byte-level BPE "gpt2". A tokenizer.json that comes back puts a space before a text that has none, as transformers does; SentencePiece and llama.cpp put one before every text, so a text that begins with a space gets one more there.

The pre-tokenizer of a byte-level BPE is recognised by its steps. The first name that fits the architecture and the flags is written; all names are read.

${table(
  ["names", "read too", "steps"],
  preTokenizers.map(({ names, aliases = [], steps }) => [
    [...new Set(names.map(({ name }) => name))].map(code).join(", "),
    aliases.map(code).join(", "),
    steps.map(stepText).join(", then "),
  ]),
)}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("../docs/models.md", import.meta.url), modelsDocument());
