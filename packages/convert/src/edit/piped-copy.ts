import type { ByteSink, ByteSource } from "@requant/core";

/** Of a piece; two of them are held. */
const PIECE_BYTE_LENGTH = 4 * 1024 * 1024;

/** Copies ranges of a file in order: one piece is written while the next one is read. */
export class PipedCopy {
  private readonly source: ByteSource;
  private readonly sink: ByteSink;
  private readonly signal: AbortSignal | undefined;
  private here = new Uint8Array(PIECE_BYTE_LENGTH);
  private away = new Uint8Array(PIECE_BYTE_LENGTH);
  /** The write under way. It never rejects: the next step throws what it ended with. */
  private writing: Promise<{ readonly error?: unknown } | undefined> = Promise.resolve(undefined);
  private byteLength: number;

  constructor(source: ByteSource, sink: ByteSink, signal: AbortSignal | undefined) {
    this.source = source;
    this.sink = sink;
    this.signal = signal;
    this.byteLength = sink.byteLength;
  }

  /** Copies the bytes `[start, start + byteLength)` of the source. */
  async range(start: number, byteLength: number): Promise<void> {
    for (let done = 0; done < byteLength; ) {
      const piece = this.here.subarray(0, Math.min(PIECE_BYTE_LENGTH, byteLength - done));
      try {
        this.signal?.throwIfAborted();
        await this.source.readInto(piece, start + done);
      } catch (error) {
        // the caller aborts the sink, which must not be busy then
        await this.writing;
        throw error;
      }
      await this.write(piece);
      [this.here, this.away] = [this.away, this.here];
      done += piece.byteLength;
    }
  }

  /** Writes zeros until the sink has so many bytes. */
  async zerosUntil(byteLength: number): Promise<void> {
    if (byteLength > this.byteLength) await this.write(new Uint8Array(byteLength - this.byteLength));
  }

  /** Waits for the last write. */
  async end(): Promise<void> {
    const written = await this.writing;
    if (written !== undefined && "error" in written) throw written.error;
  }

  /** Begins to write when the write before has ended. */
  private async write(bytes: Uint8Array): Promise<void> {
    await this.end();
    this.byteLength += bytes.byteLength;
    this.writing = this.sink.write(bytes).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  }
}
