export {
  type CompressedTensorsClaims,
  type CompressedTensorsLayout,
  compressedTensorsCodec,
} from "./codec.ts";
export {
  type CompressedTensorsConfig,
  type CompressedTensorsGroup,
  parseCompressedTensorsConfig,
  serializeCompressedTensorsConfig,
} from "./config.ts";
export { compressedTensorsFormat } from "./format.ts";
export { quantizeCompressedTensors } from "./quantize.ts";
