import type { Metadata, MetadataValue } from "@requant/core";
import type { FileType } from "./file-types.ts";

/** Where an importance matrix came from, for the keys that llama-quantize writes. */
export interface ImatrixOrigin {
  /** As the user gave it: usually a path. */
  readonly file: string;
  readonly dataset?: string | undefined;
  readonly entryCount: number;
  readonly chunkCount?: number | undefined;
}

/** First `remove`, then each of `set` at the end, in order: as gguf_set_val_* does (ggml, src/gguf.cpp). */
export interface MetadataChanges {
  readonly remove: readonly string[];
  readonly set: ReadonlyMap<string, MetadataValue>;
}

/** A key-value override of llama-quantize holds 128 bytes with its terminator. */
const textByteLimit = 127;

/** The changes that quantizing makes to a file's metadata. */
export function metadataChanges(request: {
  readonly target: FileType;
  readonly architecture: string;
  readonly sourceFileType: number | undefined;
  readonly imatrix?: ImatrixOrigin | undefined;
  readonly prunedLayerCount?: number | undefined;
}): MetadataChanges {
  const set = new Map<string, MetadataValue>();
  set.set("general.quantization_version", { type: "u32", value: 2 });
  const fileType = request.target.name === "COPY" ? request.sourceFileType : request.target.number;
  if (fileType !== undefined) set.set("general.file_type", { type: "u32", value: fileType });
  const imatrix = request.imatrix;
  if (imatrix !== undefined) {
    set.set("quantize.imatrix.file", { type: "string", value: cut(imatrix.file) });
    if (imatrix.dataset !== undefined) {
      set.set("quantize.imatrix.dataset", { type: "string", value: cut(imatrix.dataset) });
    }
    set.set("quantize.imatrix.entries_count", { type: "u32", value: imatrix.entryCount });
    if (imatrix.chunkCount !== undefined && imatrix.chunkCount > 0) {
      set.set("quantize.imatrix.chunks_count", { type: "u32", value: imatrix.chunkCount });
    }
  }
  if (request.prunedLayerCount !== undefined) {
    set.set(`${request.architecture}.block_count`, { type: "u32", value: request.prunedLayerCount });
  }
  return { remove: ["split.no", "split.count", "split.tensors.count"], set };
}

/** Metadata with the changes applied: new values come last, as in llama-quantize. */
export function changeMetadata(metadata: Metadata, changes: MetadataChanges): Map<string, MetadataValue> {
  const changed = new Map(metadata);
  for (const key of changes.remove) changed.delete(key);
  for (const [key, value] of changes.set) {
    changed.delete(key);
    changed.set(key, value);
  }
  return changed;
}

/** The longest prefix of whole characters that fits. */
function cut(text: string): string {
  let kept = "";
  let byteLength = 0;
  for (const char of text) {
    byteLength += new TextEncoder().encode(char).byteLength;
    if (byteLength > textByteLimit) break;
    kept += char;
  }
  return kept;
}
