/**
 * Where llama.cpp multiplies by a weight's `.scale`. It loads such tensors for every architecture (src/llama-model.cpp), but
 * multiplies only where the architecture's own code names them: in its linear layers and its experts. These architectures
 * name them everywhere (src/models/*.cpp, as in llama-cpp-python 0.3.36); the others would run with weights that are wrong
 * by that factor.
 */
const READING: ReadonlySet<string> = new Set([
  "bitnet",
  "cohere2",
  "gemma4",
  "llama",
  "mellum",
  "mistral3",
  "nanbeige",
  "nemotron_h",
  "nemotron_h_moe",
  "qwen3",
  "qwen3moe",
  "qwen35",
  "qwen35moe",
]);

/** The weights that such scales are loaded for. */
const WEIGHT =
  /^(?:output|blk\.\d{1,6}\.(?:attn_(?:q|k|v|output|qkv|gate)|ffn_(?:gate|up|down)(?:_shexp|_exps)?|ssm_(?:in|out|alpha|beta)))\.weight$/;

/** Whether a weight of such an architecture can have a scale in a tensor of its own. */
export function hasTensorScale(weight: string): boolean {
  return WEIGHT.test(weight);
}

/** Whether models of this architecture can have scales of whole weights in tensors of their own. */
export function readsTensorScales(architecture: string): boolean {
  return READING.has(architecture);
}
