// llama.cpp's own conversion of one file: <options in JSON>, see native-run.ts
import { readFileSync } from "node:fs";
import koffi from "koffi";

const { folder, ggml, llama, input, output, fileType, threads, pure, importance } = JSON.parse(
  process.argv[2],
);
const library = koffi.load(llama);
const entryType = koffi.struct("imatrix_entry", { name: "const char *", data: "void *", size: "size_t" });
// as in llama.h of the llama.cpp that the pinned node-llama-cpp ships; what is not set keeps its default
const parameters = koffi.struct("quantize_params", {
  threads: "int32_t",
  fileType: "int32_t",
  outputTensorType: "int32_t",
  tokenEmbeddingType: "int32_t",
  allowRequantize: "bool",
  quantizeOutputTensor: "bool",
  onlyCopy: "bool",
  pure: "bool",
  keepSplit: "bool",
  dryRun: "bool",
  importance: "void *",
  metadataOverrides: "void *",
  tensorOverrides: "void *",
  prunedLayers: "void *",
  mostBufferBytes: "size_t",
});
const defaults = library.func("llama_model_quantize_default_params", parameters, []);
const quantize = library.func("llama_model_quantize", "uint32_t", [
  "const char *",
  "const char *",
  koffi.pointer(parameters),
]);
koffi.load(ggml).func("void ggml_backend_load_all_from_path(const char *)")(folder);

/** The entries of an importance matrix, ended by one without a name. */
function importanceEntries({ index, data }) {
  const bytes = readFileSync(data);
  const entries = JSON.parse(readFileSync(index, "utf8")).map(({ name, start, length }) => ({
    name,
    data: bytes.subarray(4 * start, 4 * (start + length)),
    size: length,
  }));
  const list = koffi.alloc(entryType, entries.length + 1);
  koffi.encode(list, koffi.array(entryType, entries.length + 1), [
    ...entries,
    { name: null, data: null, size: 0 },
  ]);
  return { list, bytes };
}

const given = importance === undefined ? undefined : importanceEntries(importance);
const failed = quantize(input, output, {
  ...defaults(),
  threads,
  fileType,
  pure: pure === true,
  ...(given === undefined ? {} : { importance: given.list }),
});
if (failed !== 0) throw new Error(`llama_model_quantize returned ${failed}`);
