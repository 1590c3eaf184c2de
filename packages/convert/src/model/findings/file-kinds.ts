/** What is found in the files of a model: their bytes, headers, names and indices. */
import type { FindingKind } from "./kind.ts";

const download = "Download the file again.";
const distrust =
  "Do not open the file with other programs: it has the shape of an attack. Take the model from its original publisher.";
const convertAgain = "Convert the original model again, with a current converter.";

/** Codes of findings about the files of a model: names, sizes, headers. */
export type FileFindingCode =
  | "lfs-pointer"
  | "web-page"
  | "never-written"
  | "truncated"
  | "unlisted-tensor"
  | "total-size"
  | "joined-files"
  | "raw-pieces"
  | "no-index"
  | "unused-index"
  | "unfinished-download"
  | "old-format"
  | "pickle"
  | "pickle-beside"
  | "missing-shard"
  | "unlisted-shard"
  | "no-model"
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
  | "trailing-bytes";

export const fileKinds: Readonly<Record<FileFindingCode, FindingKind>> = {
  "lfs-pointer": {
    severity: "error",
    meaning: "The file is a Git LFS pointer, not the file itself.",
    hint: "Fetch the real file: git lfs pull.",
  },
  "web-page": {
    severity: "error",
    meaning: "The file is a web page.",
    hint: "Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.",
  },
  "never-written": {
    severity: "error",
    meaning: "The file is empty, or a part of it was never written.",
    hint: download,
  },
  truncated: {
    severity: "error",
    meaning: "The file is shorter than its header says.",
    hint: "The file is cut off: download it again.",
  },
  "unlisted-tensor": {
    severity: "warning",
    meaning: "A file holds a tensor that the index does not name.",
    hint: "Take the index from the original model, or write the shards again.",
  },
  "total-size": {
    severity: "warning",
    meaning: "The index states another total size than the tensors have.",
    hint: "Take the index from the original model.",
  },
  "joined-files": {
    severity: "warning",
    meaning: "Several model files were joined into one, of which only the first is read.",
    hint: "Download the parts, and leave them as they are: they are read together where they lie in one folder.",
  },
  "raw-pieces": {
    severity: "error",
    meaning: "A model file was cut into pieces without regard to what is in it.",
    hint: "Join all pieces in order into one file.",
  },
  "no-index": {
    severity: "warning",
    meaning: "Several safetensors files are read together without an index.",
    hint: "Take the index from the original model.",
  },
  "unused-index": {
    severity: "warning",
    meaning: "An index stands beside a whole model and describes other tensors or other files.",
    hint: "Other programs may read the index instead: remove the one that does not belong to the model.",
  },
  "unfinished-download": {
    severity: "warning",
    meaning: "The file is part of a download that did not end.",
    hint: "Finish or repeat the download.",
  },
  "old-format": {
    severity: "error",
    meaning: "The file is in a format from before GGUF, or in a type that ggml has removed.",
    hint: convertAgain,
  },
  pickle: {
    severity: "error",
    meaning: "The file is a Python pickle, which can run code when it is read.",
    hint: "Convert it to safetensors with a tool that you trust to run pickles; Requant reads none.",
  },
  "pickle-beside": {
    severity: "note",
    meaning: "A Python pickle lies beside the weights.",
    hint: "Delete the pickle if the safetensors hold the same weights: loading it can run code.",
  },
  "missing-shard": {
    severity: "error",
    meaning: "A file of a set is missing.",
    hint: "Put all files of the model into one folder.",
  },
  "unlisted-shard": {
    severity: "warning",
    meaning: "The index does not name a safetensors file of the folder.",
    hint: "Remove the file if it belongs to another model, or take the index from the original model.",
  },
  "no-model": {
    severity: "error",
    meaning: "No model was found at the place.",
    hint: "A model is a .gguf file, or .safetensors files with a config.json.",
  },
  format: {
    severity: "error",
    meaning: "The file is not what its format says.",
    hint: "Take the file from the original model, or write it again with the tool that made it.",
  },
  limit: {
    severity: "error",
    meaning: "The file asks for more than the limits allow.",
    hint: "Raise the limit in the library if the file is trusted.",
  },
  unsupported: {
    severity: "error",
    meaning: "The file uses a version or type that Requant does not read.",
    hint: "Use a file in a supported version or type.",
  },
  unreadable: {
    severity: "error",
    meaning: "A file could not be read.",
    hint: "Check the disk or the connection, then try again.",
  },
  "impossible-count": {
    severity: "error",
    meaning: "The header states more tensors, keys or elements than the file can hold.",
    hint: distrust,
  },
  "impossible-size": {
    severity: "error",
    meaning: "A size of the header is larger than the file, or overflows.",
    hint: distrust,
  },
  "too-many-dimensions": {
    severity: "error",
    meaning: "A tensor has more dimensions than the format allows.",
    hint: distrust,
  },
  overlap: {
    severity: "error",
    meaning: "Two tensors share bytes of the file.",
    hint: distrust,
  },
  "duplicate-name": {
    severity: "error",
    meaning: "Two tensors or two keys have the same name.",
    hint: distrust,
  },
  "path-escape": {
    severity: "error",
    meaning: "A name of the model leads out of its folder.",
    hint: distrust,
  },
  "link-outside": {
    severity: "error",
    meaning: "A file of the folder is a link out of the folder.",
    hint: "If you trust the link, put a copy of the file in its place.",
  },
  "strange-name": {
    severity: "warning",
    meaning: "A tensor name looks like a path.",
    hint: "Requant shows such names escaped and never uses them as paths; other programs may not be as careful.",
  },
  "invalid-utf8": {
    severity: "warning",
    meaning: "A text of the metadata is not valid UTF-8.",
    hint: "Set the value anew: requant metadata set.",
  },
  "control-character": {
    severity: "warning",
    meaning: "A name or a text holds control characters.",
    hint: "Look at the text before you print it in a terminal.",
  },
  "long-name": {
    severity: "warning",
    meaning: "A tensor name has more bytes than llama.cpp reads.",
    hint: "Convert the original model again: llama.cpp does not load the file.",
  },
  "no-dimensions": {
    severity: "warning",
    meaning: "A tensor has no dimensions.",
    hint: convertAgain,
  },
  gap: {
    severity: "warning",
    meaning: "Bytes between two tensors belong to none, which llama.cpp refuses.",
    hint: "Rewrite the file: requant merge, or convert it to its own type.",
  },
  order: {
    severity: "warning",
    meaning: "The data lies in another order than the table, which llama.cpp refuses.",
    hint: "Rewrite the file: requant merge, or convert it to its own type.",
  },
  "trailing-bytes": {
    severity: "warning",
    meaning: "Bytes follow the last tensor.",
    hint: "Rewrite the file, or ask its publisher what they are.",
  },
};
