/** The texts of a file that may stand in a report: those that mean something to this program, and so are no person's. */
import { knownModelWords } from "@requant/convert";
import { HIDDEN, harmlessValue } from "./harmless.ts";

/** Values of settings in config.json (transformers, and the formats' own configurations). */
const SETTINGS: readonly string[] = `
  float64 float32 float16 bfloat16 half float int8 uint8 int16 int32 int64 uint32 bool auto
  float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e8m0fnu torch.float32 torch.float16 torch.bfloat16
  silu gelu gelu_new gelu_fast gelu_python gelu_10 gelu_accurate gelu_pytorch_tanh quick_gelu relu relu2 relu6 sqrelu swish
  swiglu geglu xielu tanh sigmoid mish leaky_relu linear laplace
  default dynamic yarn deepseek_yarn longrope su llama3 mrope none proportional
  nf4 fp4 fp8 int4 int dense pack-quantized int-quantized float-quantized naive-quantized marlin-24 nvfp4-pack-quantized
  mxfp4-pack-quantized marlin gemm gemv gemv_fast exllama tensor tensor_group channel group block token weight static
  compressed frozen initialized calibration minmax mse memoryless_minmax e4m3 e5m2 ue8m0 affine model adapter mmproj
`
  .trim()
  .split(/\s+/);

/** "4.57.1". */
const VERSION = /^\d{1,4}(?:\.\d{1,4}){1,3}$/;

let known: ReadonlySet<string> | undefined;

/** Whether a text is one of the words that this program knows, in any case. */
export function isKnownWord(word: string): boolean {
  known ??= new Set([...knownModelWords(), ...SETTINGS].map((each) => each.toLowerCase()));
  return known.has(word.toLowerCase()) || VERSION.test(word);
}

/** The value of a setting in a file: a number, a truth value or a known word; every other text is hidden. */
export function settingValue(value: unknown): string | number | boolean | null {
  if (typeof value !== "string") return harmlessValue(value);
  return isKnownWord(value) ? value : HIDDEN;
}
