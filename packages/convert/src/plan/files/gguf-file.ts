import type { Metadata } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import { layoutGguf, parseSplitName, planSplit, SPLIT_KEYS, splitMetadata, splitName } from "@requant/gguf";
import { metadataToJson } from "../metadata-json.ts";
import type { PlanFile, PlanSource, PlanTensor } from "../plan.ts";
import { rememberLayout } from "./header-layout.ts";

export type GgufPlanFile = Extract<PlanFile, { readonly kind: "gguf" }>;

export interface GgufFilesOptions {
  /** File name, without or with ".gguf". */
  readonly name: string;
  /** Most bytes of tensors in one file. */
  readonly shardSize?: number | undefined;
  /** Most tensors in one file. */
  readonly maxTensorCount?: number | undefined;
  /** Tensors in each part of the source's split, to be kept. */
  readonly partTensorCounts?: readonly number[] | undefined;
}

/** "kjv/hf" and Q8_0 make "hf-Q8_0.gguf". */
export function ggufFileName(source: Pick<PlanSource, "name">, type: string): string {
  const last = withoutTrailing(source.name, "/\\").split(/[/\\]/).at(-1) ?? "model";
  const part = parseSplitName(last);
  const stem = part?.prefix ?? last.replace(/\.(gguf|safetensors)$/i, "");
  return `${stem}-${type}.gguf`;
}

/** One file, or the parts of a split named and marked as llama.cpp does it. */
export function planGgufFiles(
  tensors: readonly PlanTensor[],
  metadata: Metadata,
  options: GgufFilesOptions,
): GgufPlanFile[] {
  const [ending = ".gguf"] = /\.gguf$/i.exec(options.name) ?? [];
  const stem = options.name.replace(/\.gguf$/i, "");
  const numbered = tensors.map((tensor, index) => ({
    name: tensor.name,
    shape: tensor.shape,
    encoding: tensor.to,
    index,
  }));
  const parts = partsOf(numbered, options);
  return parts.map((members, part) => {
    const order = options.partTensorCounts === undefined ? [] : KEPT_SPLIT_ORDER;
    const own =
      parts.length === 1
        ? metadata
        : inOrder(splitMetadata(metadata, part, parts.length, tensors.length), order);
    const layout = layoutGguf({ metadata: own, tensors: members });
    const file: GgufPlanFile = {
      kind: "gguf",
      name: parts.length === 1 ? `${stem}${ending}` : splitName(stem, part, parts.length),
      byteLength: layout.byteLength,
      alignment: layout.alignment,
      metadata: metadataToJson(own),
      tensors: members.map(({ index }) => index),
    };
    return rememberLayout(file, members, layout);
  });
}

/** llama-quantize writes the split keys in another order than llama-gguf-split. */
const KEPT_SPLIT_ORDER: readonly string[] = [SPLIT_KEYS.no, SPLIT_KEYS.count, SPLIT_KEYS.tensorsCount];

/** Metadata with the given keys last, in the given order. */
function inOrder(metadata: Metadata, keys: readonly string[]): Metadata {
  const own = new Map(metadata);
  for (const key of keys) {
    const value = own.get(key);
    own.delete(key);
    if (value !== undefined) own.set(key, value);
  }
  return own;
}

type Numbered = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly index: number;
};

function partsOf(tensors: readonly Numbered[], options: GgufFilesOptions): readonly (readonly Numbered[])[] {
  if (options.partTensorCounts !== undefined) {
    let end = 0;
    return options.partTensorCounts.map((count) => {
      end += count;
      return tensors.slice(end - count, end);
    });
  }
  if (options.shardSize === undefined && options.maxTensorCount === undefined) return [tensors];
  return planSplit(tensors, { maxByteLength: options.shardSize, maxTensorCount: options.maxTensorCount });
}
