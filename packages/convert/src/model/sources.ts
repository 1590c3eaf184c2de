/**
 * The containers that models are opened from. The list is separate from the list of targets, so that inspecting a model does
 * not load the code that writes formats.
 */

import { ggufSource } from "./gguf-source.ts";
import { safetensorsSource } from "./safetensors-source.ts";
import type { SourceFormat } from "./source-format.ts";

export const sources: readonly SourceFormat[] = [ggufSource, safetensorsSource];
