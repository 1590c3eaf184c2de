/** A GGUF file as one program reads it. */
import type { Finding, Metadata } from "@requant/core";
import { typeClash } from "@requant/gguf";
import { isLlamaCppFamily, llamaCppFindings } from "@requant/models";
import { completeFinding, finding } from "../../model/findings/finding.ts";
import type { GgufFacts, Model } from "../../model/model.ts";
import { factFindings } from "./facts.ts";
import type { Runtime } from "./runtimes.ts";

export function ggufFileFindings(model: Model, gguf: GgufFacts, runtime: Runtime): Finding[] {
  const { metadata } = gguf;
  const facts = [...factFindings(metadata, model.tensors), ...clashFindings(model)];
  if (model.kind !== undefined) return facts;
  const general = [...facts, ...noTokenizer(metadata)];
  if (runtime !== "llama.cpp") return general;
  const refused = llamaCppFindings(metadata, model.tensors).map((found) => completeFinding(found));
  const isKnown = isLlamaCppFamily(model.architecture);
  return [
    ...containerFindings(gguf),
    ...refused,
    ...general.filter(
      (found) =>
        !refused.some((other) => isSame(found, other)) &&
        // the table knows what the family needs; what holds for most families may not hold for it
        !(isKnown && (generalRules.has(found.code) || found.code === "vocabulary-size")),
    ),
    ...(isKnown ? vocabularyNotes(general, refused) : []),
  ];
}

/** Rules for families that the table of needs does not have. */
const generalRules: ReadonlySet<string> = new Set(["wrong-shape", "missing-layer", "missing-tensor"]);

function isSame(a: Finding, b: Finding): boolean {
  const ofOnePlace = a.key === b.key && a.tensor === b.tensor;
  return ofOnePlace && (a.code === b.code || (a.code === "no-tokenizer" && b.code === "missing-key"));
}

/** The size that the metadata state beside the vocabulary decides nothing; a vocabulary of another size has been refused. */
function vocabularyNotes(general: readonly Finding[], refused: readonly Finding[]): Finding[] {
  if (refused.length > 0) return [];
  return general.filter(({ code }) => code === "vocabulary-size");
}

/** Types whose number in the file is another type's in a fork: nothing in a file tells which program wrote it. */
function clashFindings({ tensors }: Model): Finding[] {
  const encodings = new Map(tensors.map(({ encoding, name }) => [encoding, name]));
  return [...encodings].flatMap(([encoding, tensor]) => {
    const clash = typeClash(encoding);
    return clash === undefined
      ? []
      : [
          finding(
            "runtime-limits",
            `The type ${encoding} has the number ${clash.id}, under which ${clash.fork}, a fork of llama.cpp, stores ${clash.name}.`,
            { tensor },
            "If the file was made with that fork, run it there; here its weights would be read wrongly.",
          ),
        ];
  });
}

function noTokenizer(metadata: Metadata): Finding[] {
  const hasTokens =
    metadata.has("tokenizer.ggml.tokens") || metadata.get("tokenizer.ggml.model")?.value === "none";
  return hasTokens ? [] : [finding("no-tokenizer", "The file has no vocabulary.")];
}

const convertHint = "Convert the file to its own type: a new file is version 3 and little-endian.";

/** The container itself, where Requant reads more than llama.cpp does (ggml, gguf.cpp). */
function containerFindings({ version, littleEndian, alignment, dataOffset }: GgufFacts): Finding[] {
  return [
    // files are mapped into memory as they are (ggml-backend.cpp, TENSOR_ALIGNMENT)
    ...(dataOffset % 32 === 0
      ? []
      : [
          finding(
            "unknown-to-runtime",
            `The data begin at byte ${dataOffset}, by general.alignment ${alignment}; llama.cpp ends the process where that is no multiple of 32.`,
            { key: "general.alignment" },
            convertHint,
          ),
        ]),
    ...(version >= 2
      ? []
      : [
          finding(
            "unknown-to-runtime",
            `The program llama.cpp no longer reads GGUF version ${version}.`,
            {},
            convertHint,
          ),
        ]),
    ...(littleEndian
      ? []
      : [
          finding(
            "unknown-to-runtime",
            "The file is big-endian, which llama.cpp reads on big-endian machines only.",
            {},
            convertHint,
          ),
        ]),
  ];
}
