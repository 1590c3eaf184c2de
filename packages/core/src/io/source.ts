/**
 * Where bytes come from. Two members do the work; files, Blobs, memory and URLs implement them, and caching or
 * coalescing wraps them. Offsets are plain numbers (safe integers), never bit-shifted.
 */
export interface ByteSource {
  /** Path, URL or a made-up name: used in errors only. */
  readonly name: string;
  /** Total length in bytes. */
  readonly byteLength: number;
  /** Changes when the contents change, where the source can tell: a time stamp or an ETag. */
  readonly version?: string | undefined;
  /**
   * Bytes `[start, end)`. Do not write to the result: it may be a view of a shared buffer.
   * @throws IoError when the range is not inside the source, or the bytes cannot be read.
   */
  read(start: number, end: number): Promise<Uint8Array>;
  /** Fills `target` with the bytes from `start` on: no allocation. Same errors as `read`. */
  readInto(target: Uint8Array, start: number): Promise<void>;
  /** Frees what the source holds, such as an open file. Nothing can be read afterwards. */
  close(): Promise<void>;
}
