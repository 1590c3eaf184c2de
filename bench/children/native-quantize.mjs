// llama.cpp's own conversion of one file: <folder> <libggml> <libllama> <in> <out> <file type> <threads>
import koffi from "koffi";

const [folder, ggmlPath, llamaPath, input, output, fileType, threads] = process.argv.slice(2);
const ggml = koffi.load(ggmlPath);
const llama = koffi.load(llamaPath);
// only the first two fields are set; all other fields of this version keep their defaults
const parameters = koffi.struct("quantize_params", {
  threads: "int32_t",
  fileType: "int32_t",
  rest: koffi.array("int64_t", 31),
});
const defaults = llama.func("llama_model_quantize_default_params", parameters, []);
const quantize = llama.func("llama_model_quantize", "uint32_t", [
  "const char *",
  "const char *",
  koffi.pointer(parameters),
]);
ggml.func("void ggml_backend_load_all_from_path(const char *)")(folder);
const failed = quantize(input, output, {
  ...defaults(),
  threads: Number(threads),
  fileType: Number(fileType),
});
if (failed !== 0) throw new Error(`llama_model_quantize returned ${failed}`);
