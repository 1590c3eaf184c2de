import { UsageError } from "@requant/core";
import type { PlanSource } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";

/** What only GGUF files have is refused for other targets, never ignored. @throws UsageError */
export function refuseGgufOptions(options: PlanOptions, like: PlanSource | undefined): void {
  const given = [
    ["`pure`", options.pure === true],
    ["`tensorTypes`", (options.tensorTypes?.length ?? 0) > 0],
    ["`outputTensorType`", options.outputTensorType !== undefined],
    ["`tokenEmbeddingType`", options.tokenEmbeddingType !== undefined],
    ["`leaveOutputTensor`", options.leaveOutputTensor === true],
    ["`imatrix`", options.imatrix !== undefined],
    ["`keepSplit`", options.keepSplit === true],
    ["`set`", (options.set?.size ?? 0) > 0],
    ["`like`", like !== undefined],
    ["`pruneLayers`", (options.pruneLayers?.length ?? 0) > 0],
  ].flatMap(([name, asked]) => (asked === true ? [String(name)] : []));
  if (given.length === 0) return;
  throw new UsageError(`${given.join(", ")}: only GGUF targets have these`, {
    hint: "Leave them out, or choose a gguf: target.",
  });
}
