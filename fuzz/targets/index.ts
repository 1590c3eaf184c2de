/** The one list of targets: a parser, a codec, or a whole model each. */
import type { FuzzTarget } from "../engine/target.ts";
import { blockCodecs } from "./blocks.ts";
import {
  ggufWhole,
  metadataAssignment,
  patternText,
  planJson,
  safetensorsWhole,
  storePath,
  targetText,
} from "./convert.ts";
import { ggufHeader, ggufSplit, imatrix } from "./gguf.ts";
import { linearCodecs, linearConfigs } from "./linear.ts";
import { ggufModel, hfConfig, hfSideFile, hfTokenizer, hfTokenizerConfig, tokenizerModel } from "./models.ts";
import { safetensorsFolder, safetensorsHeader, safetensorsIndex } from "./safetensors.ts";

export const targets: readonly FuzzTarget[] = [
  ggufHeader,
  ggufSplit,
  imatrix,
  safetensorsHeader,
  safetensorsIndex,
  safetensorsFolder,
  hfConfig,
  hfTokenizer,
  hfTokenizerConfig,
  hfSideFile,
  tokenizerModel,
  ggufModel,
  ...linearConfigs,
  ...linearCodecs,
  ...blockCodecs,
  planJson,
  metadataAssignment,
  targetText,
  storePath,
  patternText,
  ggufWhole,
  safetensorsWhole,
];
