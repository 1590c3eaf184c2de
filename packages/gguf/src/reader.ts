import { type ByteSource, type Limits, limitsWith } from "@requant/core";
import { HeaderCursor } from "./cursor.ts";
import { type GgufFile, parseHeader } from "./header.ts";

/**
 * Enough for the header of a model without a vocabulary and for many with one; more would be wasted on small files
 * read over a network.
 */
const FIRST_READ_BYTE_LENGTH = 256 * 1024;

/** The longest read on an estimate alone: the largest vocabularies with their merges. */
const MOST_GUESSED_BYTE_LENGTH = 16 * 1024 * 1024;

/** Limits for hostile files, and a signal to stop. */
export interface ReadGgufOptions {
  /** Limits that are not given have their defaults. */
  readonly limits?: Partial<Limits> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the header of a GGUF file: the metadata and where each tensor is. Costs a few reads of the start of the file,
 * whatever its size, and no more memory than the header has bytes (about twice that while reading).
 * @throws FormatError, LimitError, UnsupportedError, IoError
 */
export async function readGguf(source: ByteSource, options: ReadGgufOptions = {}): Promise<GgufFile> {
  const { signal } = options;
  const first = await readStart(source, new Uint8Array(0), FIRST_READ_BYTE_LENGTH, signal);
  const cursor = new HeaderCursor(first, source.byteLength, limitsWith(options.limits), source.name);
  const parser = parseHeader(cursor);
  for (;;) {
    const step = parser.next();
    if (step.done === true) {
      keepMetadataOnly(cursor);
      return step.value;
    }
    const loaded = cursor.window.bytes;
    // at least doubled, so that the number of reads is logarithmic; bounded, so that little is read in vain
    const most = Math.max(4 * loaded.byteLength, MOST_GUESSED_BYTE_LENGTH);
    const guess = Math.min(Math.max(step.value.wish, 2 * loaded.byteLength), most);
    cursor.replace(await readStart(source, loaded, Math.max(step.value.end, guess), signal));
  }
}

/** The file's bytes up to `end`; the bytes in `loaded` are not read again. */
async function readStart(
  source: ByteSource,
  loaded: Uint8Array,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const bytes = new Uint8Array(Math.min(end, source.byteLength));
  bytes.set(loaded);
  await source.readInto(bytes.subarray(loaded.byteLength), loaded.byteLength);
  return bytes;
}

/** Lazy values keep the window in memory, so bytes beyond the metadata are dropped where that is worth a copy. */
function keepMetadataOnly({ window, metadataEnd }: HeaderCursor): void {
  if (window.bytes.byteLength > 1.5 * metadataEnd + FIRST_READ_BYTE_LENGTH)
    window.bytes = window.bytes.slice(0, metadataEnd);
}
