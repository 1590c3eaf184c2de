import { FormatError, LimitError, type Limits } from "@requant/core";
import { quoted } from "@requant/core/text";
import * as z from "zod/mini";
import { compareText, parseStrictJson } from "./json.ts";

/** Tools add their own facts under "metadata"; no tool nests deeper than this. */
const INDEX_DEPTH = 16;

/** `model.safetensors.index.json`: which file holds which tensor. */
export interface ShardIndex {
  /** File name by tensor name, in the order of the index. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** `metadata.total_size`: bytes of all tensors, where stated. */
  readonly totalSize: number | undefined;
}

const indexSchema = z.looseObject({
  metadata: z.optional(z.nullable(z.looseObject({ total_size: z.optional(z.unknown()) }))),
  weight_map: z.looseObject({}),
});

/**
 * A shard index from its JSON.
 * @throws FormatError, also for file names with folders: shards are in the folder of their index. @throws LimitError for too many shards or tensors
 */
export function parseShardIndex(bytes: Uint8Array, limits: Limits, path: string): ShardIndex {
  const json = parseStrictJson(bytes, "The index", path, INDEX_DEPTH);
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success || typeof json !== "object" || json === null || !("weight_map" in json)) {
    throw new FormatError("The index has no weight_map object.", { path });
  }
  const weightMap = new Map<string, string>();
  const shards = new Set<string>();
  // from the JSON itself: a schema's copy would lose a tensor called "__proto__"
  for (const [tensor, file] of Object.entries<unknown>({ ...Object(json.weight_map) })) {
    if (typeof file !== "string") {
      throw new FormatError("The index gives no file name for the tensor.", { path, tensor });
    }
    checkShardName(file, path, tensor);
    weightMap.set(tensor, file);
    shards.add(file);
  }
  for (const [count, limit, what] of [
    [weightMap.size, limits.tensorCount, "tensors"],
    [shards.size, limits.shardCount, "shards"],
  ] as const) {
    if (count > limit)
      throw new LimitError(`The index lists ${count} ${what}; the limit is ${limit}.`, { path });
  }
  const total = parsed.data.metadata?.total_size;
  return {
    weightMap,
    totalSize: typeof total === "number" && Number.isSafeInteger(total) ? total : undefined,
  };
}

/** Only the name of a file beside the index: no folders, drives, schemes or control characters. */
function checkShardName(file: string, path: string, tensor: string): void {
  if (/^[^\p{Cc}/\\:]+\.safetensors$/u.test(file)) return;
  throw new FormatError(
    `The index names the file ${quoted(file)}, which is not a safetensors file in its own folder.`,
    {
      path,
      tensor,
      hint: "The model may try to read files that are not its own: do not use it.",
      reason: "path-escape",
    },
  );
}

/** The index as transformers writes it: sorted keys, two spaces, only ASCII, a line end. */
export function serializeShardIndex(weightMap: ReadonlyMap<string, string>, totalSize: number): string {
  const sorted = [...weightMap].sort(([a], [b]) => compareText(a, b));
  const lines = sorted.map(([tensor, file]) => `    ${ascii(tensor)}: ${ascii(file)}`);
  const map = lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n  }`;
  return `{\n  "metadata": {\n    "total_size": ${totalSize}\n  },\n  "weight_map": ${map}\n}\n`;
}

function ascii(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
