/** Writes a GGUF file with other metadata. */
import { type ByteSink, type ByteSource, UsageError } from "@requant/core";
import { readGguf } from "@requant/gguf";
import { layoutOfEdit, type MetadataChange, type MetadataEdit, planMetadataEdit } from "./changes.ts";

/** How metadata is written. */
export interface EditMetadataOptions {
  /** Write also what readers would refuse. Default false. */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const MOST_REFUSALS = 5;

/**
 * Stops an edit after which readers would refuse or misread a file that was sound before.
 * @throws UsageError which says why
 */
export function refuseUnsoundEdit({ refusals }: MetadataEdit): void {
  const [first] = refusals;
  if (first === undefined) return;
  const messages = refusals.slice(0, MOST_REFUSALS).map(({ message }) => message);
  const more = refusals.length - messages.length;
  const rest = more > 0 ? [`And ${more} more.`] : [];
  throw new UsageError([...messages, ...rest].join(" "), {
    hint: "Nothing is written. Change what is set or unset, or give `force` to write it all the same.",
    tensor: first.tensor,
    reason: first.code,
  });
}

const PIECE_BYTE_LENGTH = 4 * 1024 * 1024;

/**
 * Writes a GGUF file again with other metadata: same version, byte order and tensor bytes. The sink is closed when all
 * is written and aborted on failure, so that a file sink replaces the old file in one step or not at all.
 * @throws UsageError for a key to unset that is not there, for values that cannot be stored, and, unless `force`, for what
 * readers would refuse
 *
 * @example
 * ```ts
 * import { editMetadata } from "@requant/convert";
 * import { fileSink, fileSource } from "@requant/core/node";
 *
 * const source = await fileSource("model.gguf");
 * const name = { type: "string", value: "My model" } as const;
 * await editMetadata(source, await fileSink("named.gguf"), { set: new Map([["general.name", name]]) });
 * ```
 */
export async function editMetadata(
  source: ByteSource,
  sink: ByteSink,
  changes: MetadataChange,
  options: EditMetadataOptions = {},
): Promise<void> {
  try {
    const file = await readGguf(source, options);
    if (options.force !== true) refuseUnsoundEdit(planMetadataEdit(file, changes));
    const { layout } = layoutOfEdit(file, changes);
    await sink.write(layout.header);
    const piece = new Uint8Array(PIECE_BYTE_LENGTH);
    for (const [index, { byteOffset, byteLength }] of file.tensors.entries()) {
      for (let start = 0; start < byteLength; start += PIECE_BYTE_LENGTH) {
        options.signal?.throwIfAborted();
        const bytes = piece.subarray(0, Math.min(PIECE_BYTE_LENGTH, byteLength - start));
        await source.readInto(bytes, byteOffset + start);
        await sink.write(bytes);
      }
      const next = layout.tensors[index + 1]?.byteOffset ?? layout.byteLength;
      if (next > sink.byteLength) await sink.write(new Uint8Array(next - sink.byteLength));
    }
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
