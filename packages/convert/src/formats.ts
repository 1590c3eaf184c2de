/** The one list of formats. Special ones come before general ones: the first that recognises a model opens it. */
import type { Format } from "./format.ts";
import { ggufFormat } from "./format-gguf.ts";
import { safetensorsFormat } from "./format-safetensors.ts";
import { linearFormat } from "./linear/plan-linear.ts";
import { linearTargets } from "./linear/targets.ts";

/** The linear formats are opened by the container that holds them, safetensors, which looks at names and shapes. */
export const formats: readonly Format[] = [ggufFormat, ...linearTargets.map(linearFormat), safetensorsFormat];
