/** The one list of formats. Special ones come before general ones: the first that recognises a model opens it. */
import type { Format } from "./plan/format.ts";
import { ggufFormat } from "./plan/format-gguf.ts";
import { safetensorsFormat } from "./plan/format-safetensors.ts";
import { linearTargets } from "./plan/linear-targets.ts";
import { linearFormat } from "./plan/packed-directory.ts";

/** The linear formats are opened by the container that holds them, safetensors, which looks at names and shapes. */
export const formats: readonly Format[] = [ggufFormat, ...linearTargets.map(linearFormat), safetensorsFormat];
