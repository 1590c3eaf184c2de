/** The one list of formats. Special ones come before general ones: the first that recognises a model opens it. */
import type { Format } from "./format.ts";
import { ggufFormat } from "./format-gguf.ts";
import { safetensorsFormat } from "./format-safetensors.ts";

export const formats: readonly Format[] = [ggufFormat, safetensorsFormat];
