/**
 * The one list of weight formats: one line each. A format that is special comes before one that is general: the first that
 * recognises the tensors of a module reads them.
 */
import { awqFormat } from "@requant/awq";
import { bitnetFormat } from "@requant/bitnet";
import { bitsAndBytesFormat } from "@requant/bitsandbytes";
import { compressedTensorsFormat } from "@requant/compressed-tensors";
import type { WeightFormat } from "@requant/core/format";
import { eetqFormat } from "@requant/eetq";
import { exl2Format } from "@requant/exl2";
import { float8Format } from "@requant/float8";
import { gptqFormat } from "@requant/gptq";
import { hqqFormat } from "@requant/hqq";
import { mlxFormat } from "@requant/mlx";
import { ggmlBlocksFormat, mxfp4Format, nvfp4Format } from "@requant/mxfp";
import { quantoFormat } from "@requant/quanto";
import { torchaoFormat } from "@requant/torchao";

/** All weight formats, the special before the general. */
export const weightFormats: readonly WeightFormat[] = [
  exl2Format,
  nvfp4Format,
  mxfp4Format,
  ggmlBlocksFormat,
  compressedTensorsFormat,
  float8Format,
  mlxFormat,
  awqFormat,
  gptqFormat,
  bitsAndBytesFormat,
  hqqFormat,
  quantoFormat,
  torchaoFormat,
  eetqFormat,
  bitnetFormat,
];
