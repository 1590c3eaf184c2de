import type { TensorShape } from "@requant/core";
import { type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { DEFAULT_ALIGNMENT, SPLIT_KEYS } from "./constants.ts";
import { aligned, layOutTensors } from "./tensor-table.ts";

/** `NAME-00002-of-00003.gguf` for index 1 of 3. */
export function splitName(prefix: string, index: number, count: number): string {
  const five = (value: number): string => String(value).padStart(5, "0");
  return `${prefix}-${five(index + 1)}-of-${five(count)}.gguf`;
}

/** The numbers in the name of a part. */
export interface SplitName {
  readonly prefix: string;
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

/** The numbers in the name of a part; undefined for another name. */
export function parseSplitName(fileName: string): SplitName | undefined {
  const match = /^(.*)-(\d{5,})-of-(\d{5,})\.gguf$/s.exec(fileName);
  if (match === null) return undefined;
  const [, prefix = "", no = "", of = ""] = match;
  const index = Number(no) - 1;
  const count = Number(of);
  // other spellings of the same numbers would not find the other parts
  if (!Number.isSafeInteger(count) || index < 0 || index >= count) return undefined;
  return splitName(prefix, index, count) === fileName ? { prefix, index, count } : undefined;
}

/** How tensors are shared out among parts. */
export interface SplitOptions {
  /** At most so many tensors in a part. */
  readonly maxTensorCount?: number | undefined;
  /** At most so many bytes of tensors in a part, metadata not counted; a larger tensor gets a part of its own. */
  readonly maxByteLength?: number | undefined;
  /** A first part with the metadata and no tensors. */
  readonly noTensorFirstSplit?: boolean | undefined;
}

/**
 * Which tensors go into which part, as llama-gguf-split does it: in order, a new part when the limit is reached.
 * One part means that there is nothing to split.
 * Source: llama.cpp, tools/gguf-split/gguf-split.cpp.
 */
export function planSplit<T extends TensorShape>(
  tensors: readonly T[],
  options: SplitOptions,
): readonly (readonly T[])[] {
  const { maxTensorCount, maxByteLength, noTensorFirstSplit = false } = options;
  for (const [name, limit] of Object.entries({ maxTensorCount, maxByteLength })) {
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
      throw new UsageError(`${name} is ${limit}; it must be a whole number above 0.`);
    }
  }
  const first: T[] = [];
  const parts: T[][] = noTensorFirstSplit ? [[], first] : [first];
  let current = first;
  let byteLength = 0;
  for (const [i, entry] of layOutTensors(tensors, DEFAULT_ALIGNMENT).entries()) {
    const tensor = tensors[i];
    if (tensor === undefined) continue;
    const added = aligned(entry.byteLength, DEFAULT_ALIGNMENT);
    const full =
      (maxTensorCount !== undefined && current.length >= maxTensorCount) ||
      (maxByteLength !== undefined && byteLength + added > maxByteLength);
    if (full && current.length > 0) {
      current = [];
      parts.push(current);
      byteLength = 0;
    }
    current.push(tensor);
    byteLength += added;
  }
  return parts;
}

/**
 * Metadata of one part: the whole metadata of the model in the first, only the split keys in the others. `tensorCount`:
 * of all parts together.
 */
export function splitMetadata(
  metadata: Metadata,
  index: number,
  partCount: number,
  tensorCount: number,
): Metadata {
  const entries: [string, MetadataValue][] = [
    [SPLIT_KEYS.no, { type: "u16", value: index }],
    [SPLIT_KEYS.tensorsCount, { type: "i32", value: tensorCount }],
    [SPLIT_KEYS.count, { type: "u16", value: partCount }],
  ];
  const own = index === 0 ? [...metadata].filter(([key]) => !isSplitKey(key)) : [];
  return new Map([...own, ...entries]);
}

export function isSplitKey(key: string): boolean {
  return key === SPLIT_KEYS.no || key === SPLIT_KEYS.count || key === SPLIT_KEYS.tensorsCount;
}
