/** Everything that can be a target: the two containers, and the weight formats that can be written. */

import { UsageError } from "@requant/core";
import type { WeightTarget } from "@requant/core/format";
import { weightFormats } from "../formats.ts";
import type { Format } from "./format.ts";
import { ggufFormat } from "./format-gguf.ts";
import { safetensorsFormat } from "./format-safetensors.ts";
import { packedDirectoryFormat } from "./packed-directory.ts";

export const targetFormats: readonly Format[] = [
  ggufFormat,
  ...weightFormats.flatMap(({ name, target }) =>
    target === undefined ? [] : [packedDirectoryFormat({ name, target })],
  ),
  safetensorsFormat,
];

/** @throws UsageError for a name that is none: a plan that was changed by hand */
export function weightTargetByName(name: string): WeightTarget {
  const target = weightFormats.find((format) => format.name === name)?.target;
  if (target !== undefined) return target;
  throw new UsageError(`There is no weight format "${name}" that can be written.`);
}
