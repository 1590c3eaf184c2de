import { UsageError } from "@requant/core";
import { serializeShardIndex } from "./shard-index.ts";

/** Tensors by file, and the index that lists them. */
export interface ShardPlan<T> {
  readonly files: readonly { readonly name: string; readonly tensors: readonly T[] }[];
  /** Text of `index.json`; undefined when one file holds everything. */
  readonly index: { readonly name: string; readonly text: string } | undefined;
}

/**
 * Which tensors go into which file, as transformers does it: in order, a new file when the next tensor would make it
 * larger than `maxByteLength`; a tensor that is larger by itself gets a file of its own. A tensor may stand for several
 * that belong together, which `storedNames` lists. Source: huggingface_hub, serialization/_base.py.
 */
export function planShards<T extends { readonly name: string; readonly byteLength: number }>(
  tensors: readonly T[],
  maxByteLength: number,
  baseName: string = "model",
  storedNames: (tensor: T) => readonly string[] = ({ name }) => [name],
  indexesOneFile: boolean = false,
): ShardPlan<T> {
  if (!(maxByteLength > 0))
    throw new UsageError(`A shard of at most ${maxByteLength} bytes cannot hold a tensor.`);
  const shards: T[][] = [];
  let current: T[] = [];
  let byteLength = 0;
  for (const tensor of tensors) {
    if (tensor.byteLength > maxByteLength) {
      shards.push([tensor]);
      continue;
    }
    if (byteLength + tensor.byteLength > maxByteLength) {
      shards.push(current);
      current = [];
      byteLength = 0;
    }
    current.push(tensor);
    byteLength += tensor.byteLength;
  }
  if (current.length > 0 || shards.length === 0) shards.push(current);
  const files = shards.map((shard, i) => ({ name: shardName(baseName, i, shards.length), tensors: shard }));
  if (files.length === 1 && !indexesOneFile) return { files, index: undefined };
  const weightMap = new Map(
    files.flatMap(({ name, tensors: members }) =>
      members.flatMap((tensor) => storedNames(tensor).map((stored): [string, string] => [stored, name])),
    ),
  );
  const totalSize = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return {
    files,
    index: {
      name: `${baseName}.safetensors.index.json`,
      text: serializeShardIndex(weightMap, totalSize),
    },
  };
}

/** `model.safetensors`, or `model-00002-of-00003.safetensors` for index 1 of 3. */
export function shardName(baseName: string, index: number, count: number): string {
  const five = (value: number): string => String(value).padStart(5, "0");
  return count === 1
    ? `${baseName}.safetensors`
    : `${baseName}-${five(index + 1)}-of-${five(count)}.safetensors`;
}
