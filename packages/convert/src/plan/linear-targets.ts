/** The linear formats as targets: one line each. */
import { UsageError } from "@requant/core";
import { awqTarget } from "./awq-target.ts";
import { compressedTensorsTarget } from "./compressed-tensors-target.ts";
import { exl2Target } from "./exl2-target.ts";
import { gptqTarget } from "./gptq-target.ts";
import type { LinearTarget } from "./linear-target.ts";

export const linearTargets: readonly LinearTarget[] = [
  gptqTarget,
  awqTarget,
  exl2Target,
  compressedTensorsTarget,
];

/** @throws UsageError for a name that is none: a plan that was changed by hand */
export function linearTargetByName(name: string): LinearTarget {
  const found = linearTargets.find((target) => target.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`there is no linear format "${name}"`);
}
