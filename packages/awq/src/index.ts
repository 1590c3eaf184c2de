export { awqCodec, awqVersionOf } from "./codec.ts";
export {
  type AwqConfig,
  type AwqVersion,
  awqQuantizesModule,
  parseAwqConfig,
  serializeAwqConfig,
} from "./config.ts";
export { awqFormat } from "./format.ts";
export type { AwqClaims, AwqLayout } from "./packing.ts";
export { quantizeAwq } from "./quantize.ts";
