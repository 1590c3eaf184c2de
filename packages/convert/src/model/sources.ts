/**
 * What opens models, in the order of the list of formats: apart from it, so that looking at a model does not load how
 * each format is made.
 */

import { ggufSource } from "./gguf-source.ts";
import { safetensorsSource } from "./safetensors-source.ts";
import type { SourceFormat } from "./source-format.ts";

export const sources: readonly SourceFormat[] = [ggufSource, safetensorsSource];
