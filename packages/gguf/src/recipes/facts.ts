import type { Metadata } from "@requant/core";
import { models70B } from "./rules.ts";

/** The facts of a model that the rules depend on. */
export interface RecipeFacts {
  readonly architecture: string;
  readonly layerCount: number;
  /** Of the first layer, where layers differ. */
  readonly headCount: number;
  readonly keyValueHeadCount: number;
  /** 0 for a dense model. */
  readonly expertCount: number;
  /** `general.file_type` of the source, where it is known. */
  readonly fileType?: number | undefined;
}

/** The facts in GGUF metadata; a missing count is 0. */
export function recipeFacts(metadata: Metadata): RecipeFacts {
  const architecture = text(metadata, "general.architecture") ?? "";
  const headCount = firstNumber(metadata, `${architecture}.attention.head_count`) ?? 0;
  return {
    architecture,
    layerCount: firstNumber(metadata, `${architecture}.block_count`) ?? 0,
    headCount,
    keyValueHeadCount: firstNumber(metadata, `${architecture}.attention.head_count_kv`) ?? headCount,
    expertCount: firstNumber(metadata, `${architecture}.expert_count`) ?? 0,
    fileType: firstNumber(metadata, "general.file_type"),
  };
}

/** Query heads that share one key-value head: 1 without sharing, 0 where there is no attention. */
export function groupSize(facts: RecipeFacts): number {
  return facts.keyValueHeadCount === 0 ? 0 : Math.floor(facts.headCount / facts.keyValueHeadCount);
}

/** The shape that llama.cpp calls 70B. */
export function is70B(facts: RecipeFacts): boolean {
  const known = models70B.find((model) => model.architecture === facts.architecture);
  if (known === undefined || facts.layerCount !== 80) return false;
  return !known.sharedHeads || facts.headCount !== facts.keyValueHeadCount;
}

function text(metadata: Metadata, key: string): string | undefined {
  const found = metadata.get(key);
  return found?.type === "string" ? found.value : undefined;
}

/** A number, or the first of an array of numbers: one value per layer. */
function firstNumber(metadata: Metadata, key: string): number | undefined {
  const found = metadata.get(key);
  const value = found?.type === "array" ? found.value[0] : found?.value;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" ? value : undefined;
}
