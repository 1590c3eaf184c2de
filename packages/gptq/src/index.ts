/**
 * GPTQ weights: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { gptqCodec, parseGptqConfig } from "@requant/gptq";
 *
 * // encoding, shape and bytes of qweight, qzeros, scales and g_idx
 * function valuesOf(parts: LinearPart[], bytes: PartBytes, config: unknown): Float32Array {
 *   const layout = gptqCodec.readLayout(parts, parseGptqConfig(config));
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   gptqCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export { checkLayout, type GptqClaims, type GptqLayout, gptqCodec } from "./codec.ts";
export {
  type GptqCheckpointFormat,
  type GptqConfig,
  type GptqOverride,
  type GptqPackDtype,
  type GptqRule,
  gptqModuleConfig,
  parseGptqConfig,
  serializeGptqConfig,
} from "./config.ts";
export { examineGptq, type GptqExamination } from "./examine.ts";
export { gptqFormat } from "./format.ts";
export { type GptqMarlinClaims, type GptqMarlinLayout, gptqMarlinCodec } from "./marlin.ts";
export { quantizeGptq } from "./quantize.ts";
export type { ZeroStorage } from "./zeros.ts";
