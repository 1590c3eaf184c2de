/** What is found in what the files say: configuration, tokenizer, chat template, weights. */
import type { FindingKind } from "./kind.ts";

const convertAgain = "Convert the original model again, with a current converter.";

/** Codes of findings about what the files say: configuration, tokenizer, weights. */
export type ContentFindingCode =
  | "no-config"
  | "config-invalid"
  | "config-disagrees"
  | "unknown-architecture"
  | "wrong-shape"
  | "missing-layer"
  | "extra-layer"
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
  | "empty-tensor"
  | "bad-weights"
  | "missing-key"
  | "key-type"
  | "key-value"
  | "unexpected-tensor"
  | "tensor-type"
  | "unknown-to-runtime"
  | "runtime-limits"
  | "not-a-model";

export const contentKinds: Readonly<Record<ContentFindingCode, FindingKind>> = {
  "no-config": {
    severity: "warning",
    meaning: "There is no config.json.",
    hint: "Put the original model's config.json beside the weights.",
  },
  "config-invalid": {
    severity: "error",
    meaning: "A configuration file cannot be read, or says what no model can have.",
    hint: "Take the file from the original model.",
  },
  "config-disagrees": {
    severity: "warning",
    meaning: "The configuration says something else than the tensors or another file.",
    hint: "Trust the tensors; take the config from the original model.",
  },
  "unknown-architecture": {
    severity: "note",
    meaning: "The architecture is not one that Requant can map between GGUF and Hugging Face.",
    hint: "The weights can be read; converting between GGUF and Hugging Face needs `like`, a GGUF of the same model.",
  },
  "wrong-shape": {
    severity: "error",
    meaning: "A weight does not have the shape that the configuration asks for.",
    hint: "Take config and weights from the same model.",
  },
  "missing-layer": {
    severity: "error",
    meaning: "The configuration states more layers than there are tensors for.",
    hint: "Download the missing files of the model.",
  },
  "extra-layer": {
    severity: "error",
    meaning:
      "There are tensors of a layer beyond those that the configuration states; llama.cpp does not load them.",
    hint: "Take config and weights from the same model.",
  },
  "missing-tensor": {
    severity: "error",
    meaning: "A tensor is missing that the model needs.",
    hint: "Take the whole model from its publisher, or convert the original model again.",
  },
  "vocabulary-size": {
    severity: "warning",
    meaning: "Tokenizer, configuration and embedding disagree about the size of the vocabulary.",
    hint: "Take tokenizer and weights from the same model.",
  },
  "no-tokenizer": {
    severity: "note",
    meaning: "The model has no tokenizer.",
    hint: "Put the original model's tokenizer files beside the weights.",
  },
  "tokenizer-invalid": {
    severity: "error",
    meaning: "The tokenizer cannot be read, or its parts do not go together.",
    hint: "Take the tokenizer from the original model.",
  },
  "token-type": {
    severity: "warning",
    meaning: "A token has a type that does not exist.",
    hint: convertAgain,
  },
  "byte-token": {
    severity: "warning",
    meaning: "A byte token is not written <0x00> to <0xFF>.",
    hint: convertAgain,
  },
  "duplicate-token": {
    severity: "warning",
    meaning: "Two tokens have the same text or the same id.",
    hint: "Take the tokenizer from the original model.",
  },
  "token-id": {
    severity: "warning",
    meaning: "An id lies beyond the vocabulary.",
    hint: "Set the id to one of the vocabulary: requant metadata set.",
  },
  "unknown-merge": {
    severity: "warning",
    meaning: "A merge names tokens that do not exist.",
    hint: "Take the tokenizer from the original model.",
  },
  "suspicious-template": {
    severity: "warning",
    meaning: "The chat template reaches for Python's internals, other files or the operating system.",
    hint: "Do not render the chat template: it reaches for Python's internals. Requant never renders one.",
  },
  "heavy-template": {
    severity: "warning",
    meaning: "The chat template has loops or numbers that may never end.",
    hint: "Do not render the chat template: it may never end. Requant never renders one.",
  },
  "remote-code": {
    severity: "note",
    meaning: "The config.json names Python code to be loaded with the model.",
    hint: "Requant runs none of it. Read it before you load the model elsewhere with trust_remote_code.",
  },
  "quantization-config": {
    severity: "warning",
    meaning: "The quantization configuration is not used, or a part of it is not.",
    hint: "The tensors decide; take the configuration from the original model.",
  },
  "packed-weights": {
    severity: "warning",
    meaning:
      "The parts of a packed weight show something else than its configuration says, or readers disagree about them.",
    hint: "Compare with the original model: requant verify.",
  },
  "not-read": {
    severity: "error",
    meaning: "A part of the weights is packed in a way that Requant does not read.",
    hint: "Copy the files as they are, or start from the float model, if its publisher offers one.",
  },
  "unknown-integers": {
    severity: "note",
    meaning: "There are integers that nothing is known about.",
    hint: "They are copied as they are. If they are weights, this is not the whole model.",
  },
  "unscaled-float8": {
    severity: "note",
    meaning: "There are matrices of 8-bit floats without scales.",
    hint: "If the original model has scales, they are missing: take all of its files.",
  },
  "nan-weights": {
    severity: "error",
    meaning: "A weight holds values that are no numbers.",
    hint: "Take the weights from the original model: these are damaged.",
  },
  "infinite-weights": {
    severity: "error",
    meaning: "A weight holds infinite values.",
    hint: "Take the weights from the original model: these are damaged.",
  },
  "empty-tensor": {
    severity: "error",
    meaning:
      "Tensors have no values. DeepSpeed's ZeRO-3 leaves such files where it does not gather the weights.",
    hint: "Gather the weights from the training run's own checkpoint (zero_to_fp32.py lies beside it), and save them again.",
  },
  "zero-weights": {
    severity: "warning",
    meaning: "All values of a matrix are zero.",
    hint: "Compare with the original model: a matrix of zeros was most likely never written.",
  },
  "bad-weights": {
    severity: "error",
    meaning: "A packed weight makes no sense, or its parts cannot be read.",
    hint: "Quantize the original model again.",
  },
  "missing-key": {
    severity: "error",
    meaning: "A metadata key is missing that llama.cpp needs.",
    hint: "Set the key to the original model's value: requant metadata set.",
  },
  "key-type": {
    severity: "error",
    meaning: "A metadata value has another type than llama.cpp reads.",
    hint: "Set the key anew with the type that the message names: requant metadata set.",
  },
  "key-value": {
    severity: "error",
    meaning: "A metadata value is one that llama.cpp refuses or cannot compute with.",
    hint: "Set the key to the original model's value: requant metadata set.",
  },
  "unexpected-tensor": {
    severity: "error",
    meaning: "The file has a tensor that llama.cpp does not look for, which it refuses.",
    hint: convertAgain,
  },
  "tensor-type": {
    severity: "error",
    meaning: "A tensor is stored in a type that llama.cpp cannot compute with in its place.",
    hint: convertAgain,
  },
  "unknown-to-runtime": {
    severity: "error",
    meaning: "The program that is to run the model does not know its format, architecture or version.",
    hint: "Use a newer version of the program, or another program.",
  },
  "runtime-limits": {
    severity: "note",
    meaning: "The program that is to run the model reads such models with conditions.",
    hint: "Try the model with the program.",
  },
  "not-a-model": {
    severity: "error",
    meaning: "The file is a part of a model or an aid to one, such as an adapter or an importance matrix.",
    hint: "Use it together with its model.",
  },
};
