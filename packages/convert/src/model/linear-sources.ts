/** The linear formats as sources. Special ones come first: the first that recognises a module reads it. */
import { awqSource } from "./awq-source.ts";
import { compressedTensorsSource } from "./compressed-tensors-source.ts";
import { exl2Source } from "./exl2-source.ts";
import { gptqSource } from "./gptq-source.ts";
import type { LinearSource } from "./linear-weight.ts";

export const linearSources: readonly LinearSource[] = [
  exl2Source,
  compressedTensorsSource,
  awqSource,
  gptqSource,
];
