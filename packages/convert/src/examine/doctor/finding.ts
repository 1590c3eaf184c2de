/** What can be wrong with a model: every code with what it means and the way out. */
import { boundedMessage } from "@requant/core/text";

/** An error keeps the model from being read or from computing what it should; a warning may; a note is for the reader. */
export type Severity = "error" | "warning" | "note";

export interface FindingKind {
  readonly severity: Severity;
  /** What to do about it, where the finding itself knows nothing better. */
  readonly remedy: string;
}

const download = "Download the file again.";
const distrust =
  "Do not open the file with other programs: it has the shape of an attack. Take the model from its original publisher.";
const original = "Take the file from the original model.";
const convertAgain = "Convert the original model again, with a current converter.";

/** A contract with scripts: codes are added, never changed. */
export type FindingCode =
  | "lfs-pointer"
  | "web-page"
  | "never-written"
  | "truncated"
  | "unfinished-download"
  | "old-format"
  | "pickle"
  | "pickle-beside"
  | "missing-shard"
  | "unlisted-shard"
  | "no-model"
  | "odd"
  | "format"
  | "limit"
  | "unsupported"
  | "unreadable"
  | "impossible-count"
  | "impossible-size"
  | "too-many-dimensions"
  | "overlap"
  | "duplicate-name"
  | "path-escape"
  | "link-outside"
  | "strange-name"
  | "invalid-utf8"
  | "control-character"
  | "long-name"
  | "no-dimensions"
  | "gap"
  | "order"
  | "trailing-bytes"
  | "unlisted-tensor"
  | "total-size"
  | "no-index"
  | "no-config"
  | "config-invalid"
  | "config-disagrees"
  | "unknown-architecture"
  | "wrong-shape"
  | "missing-layer"
  | "missing-tensor"
  | "vocabulary-size"
  | "no-tokenizer"
  | "tokenizer-invalid"
  | "token-type"
  | "byte-token"
  | "duplicate-token"
  | "token-id"
  | "unknown-merge"
  | "suspicious-template"
  | "heavy-template"
  | "remote-code"
  | "quantization-config"
  | "packed-weights"
  | "not-read"
  | "unknown-integers"
  | "unscaled-float8"
  | "nan-weights"
  | "infinite-weights"
  | "zero-weights"
  | "bad-weights";

/** Severity and remedy of each code. */
export const findingKinds: Readonly<Record<FindingCode, FindingKind>> = {
  // the files
  "lfs-pointer": { severity: "error", remedy: "Fetch the real file: git lfs pull." },
  "web-page": {
    severity: "error",
    remedy: "Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.",
  },
  "never-written": { severity: "error", remedy: download },
  truncated: { severity: "error", remedy: "The file is cut off: download it again." },
  "unlisted-tensor": {
    severity: "warning",
    remedy: "Take the index from the original model, or write the shards again.",
  },
  "total-size": { severity: "warning", remedy: "Take the index from the original model." },
  "no-index": { severity: "warning", remedy: "Take the index from the original model." },
  "unfinished-download": { severity: "warning", remedy: "Finish or repeat the download." },
  "old-format": { severity: "error", remedy: convertAgain },
  pickle: {
    severity: "error",
    remedy: "Convert it to safetensors with a tool that you trust to run pickles; Requant reads none.",
  },
  "pickle-beside": {
    severity: "note",
    remedy: "Delete the pickle if the safetensors hold the same weights: loading it can run code.",
  },
  "missing-shard": { severity: "error", remedy: "Put all files of the model into one folder." },
  "unlisted-shard": {
    severity: "warning",
    remedy: "Remove the file if it belongs to another model, or take the index from the original model.",
  },
  "no-model": {
    severity: "error",
    remedy: "A model is a .gguf file, or .safetensors files with a config.json.",
  },
  odd: { severity: "warning", remedy: "Compare with the original model." },
  format: { severity: "error", remedy: download },
  limit: { severity: "error", remedy: "Raise the limit in the library if the file is trusted." },
  unsupported: { severity: "error", remedy: "Use a file in a supported version or type." },
  unreadable: { severity: "error", remedy: "Check the disk or the connection, then try again." },
  // shapes of known attacks
  "impossible-count": { severity: "error", remedy: distrust },
  "impossible-size": { severity: "error", remedy: distrust },
  "too-many-dimensions": { severity: "error", remedy: distrust },
  overlap: { severity: "error", remedy: distrust },
  "duplicate-name": { severity: "error", remedy: distrust },
  "path-escape": { severity: "error", remedy: distrust },
  "link-outside": {
    severity: "error",
    remedy: "If you trust the link, put a copy of the file in its place.",
  },
  "strange-name": {
    severity: "warning",
    remedy:
      "Requant shows such names escaped and never uses them as paths; other programs may not be as careful.",
  },
  // what other readers trip over
  "invalid-utf8": { severity: "warning", remedy: "Set the value anew: requant metadata set." },
  "control-character": { severity: "warning", remedy: "Look at the text before you print it in a terminal." },
  "long-name": {
    severity: "warning",
    remedy: "llama.cpp does not load the file: convert the original model.",
  },
  "no-dimensions": { severity: "warning", remedy: convertAgain },
  gap: { severity: "warning", remedy: "Rewrite the file: requant merge, or convert it to its own type." },
  order: { severity: "warning", remedy: "Rewrite the file: requant merge, or convert it to its own type." },
  "trailing-bytes": { severity: "warning", remedy: "Rewrite the file, or ask its publisher what they are." },
  // config against tensors
  "no-config": { severity: "warning", remedy: "Put the original model's config.json beside the weights." },
  "config-invalid": { severity: "error", remedy: original },
  "config-disagrees": {
    severity: "warning",
    remedy: "Trust the tensors; take the config from the original model.",
  },
  "unknown-architecture": {
    severity: "note",
    remedy:
      "The weights can be read; converting between GGUF and Hugging Face needs `like`, a GGUF of the same model.",
  },
  "wrong-shape": { severity: "error", remedy: "Take config and weights from the same model." },
  "missing-layer": { severity: "error", remedy: "Download the missing files of the model." },
  "missing-tensor": { severity: "error", remedy: "Download the missing files of the model." },
  "vocabulary-size": { severity: "warning", remedy: "Take tokenizer and weights from the same model." },
  // the tokenizer
  "no-tokenizer": {
    severity: "note",
    remedy: "Put the original model's tokenizer files beside the weights.",
  },
  "tokenizer-invalid": { severity: "error", remedy: "Take the tokenizer from the original model." },
  "token-type": { severity: "warning", remedy: convertAgain },
  "byte-token": { severity: "warning", remedy: convertAgain },
  "duplicate-token": { severity: "warning", remedy: "Take the tokenizer from the original model." },
  "token-id": { severity: "warning", remedy: "Set the id to one of the vocabulary: requant metadata set." },
  "unknown-merge": { severity: "warning", remedy: "Take the tokenizer from the original model." },
  // what others would run
  "suspicious-template": {
    severity: "warning",
    remedy: "Do not render the chat template: it reaches for Python's internals. Requant never renders one.",
  },
  "heavy-template": {
    severity: "warning",
    remedy: "Do not render the chat template: it may never end. Requant never renders one.",
  },
  "remote-code": {
    severity: "note",
    remedy: "Requant runs none of it. Read it before you load the model elsewhere with trust_remote_code.",
  },
  // the weights
  "quantization-config": {
    severity: "warning",
    remedy: "The tensors decide; take the configuration from the original model.",
  },
  "packed-weights": { severity: "warning", remedy: "Compare with the original model: requant verify." },
  "not-read": {
    severity: "error",
    remedy: "Copy the files as they are, or start from the float model, if its publisher offers one.",
  },
  "unknown-integers": {
    severity: "note",
    remedy: "They are copied as they are. If they are weights, this is not the whole model.",
  },
  "unscaled-float8": {
    severity: "note",
    remedy: "If the original model has scales, they are missing: take all of its files.",
  },
  "nan-weights": {
    severity: "error",
    remedy: "Take the weights from the original model: these are damaged.",
  },
  "infinite-weights": {
    severity: "error",
    remedy: "Take the weights from the original model: these are damaged.",
  },
  "zero-weights": {
    severity: "warning",
    remedy: "Compare with the original model: a matrix of zeros was most likely never written.",
  },
  "bad-weights": {
    severity: "error",
    remedy: "Quantize the original model again, or download the files again.",
  },
};

/** Where a finding is. */
export interface FindingPlace {
  readonly file?: string | undefined;
  readonly tensor?: string | undefined;
  /** Metadata or config key. */
  readonly key?: string | undefined;
  readonly offset?: number | undefined;
}

/** Something to tell the user about a model. */
export interface Finding extends FindingPlace {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  readonly remedy: string;
}

export function finding(
  code: FindingCode,
  message: string,
  place: FindingPlace = {},
  remedy?: string,
): Finding {
  const kind = findingKinds[code];
  const known = Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined));
  return {
    code,
    severity: kind.severity,
    message: boundedMessage(message),
    remedy: remedy ?? kind.remedy,
    ...known,
  };
}

/** True for a word that is a code: the reasons of errors and the codes of warnings mostly are. */
export function isFindingCode(word: string | undefined): word is FindingCode {
  return word !== undefined && Object.hasOwn(findingKinds, word);
}
