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
