/**
 * Where bytes go: append-only, because a plan knows every length before the first byte. No file has the final name until
 * `close` returns; `abort` removes everything.
 */
export interface ByteSink {
  /** Path or a made-up name: used in errors only. */
  readonly name: string;
  /** Bytes written so far. */
  readonly byteLength: number;
  /** Appends. `bytes` may be reused by the caller when the promise resolves: awaiting it is the backpressure. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the bytes durable and gives them their final name. */
  close(): Promise<void>;
  /** Drops what was written. Safe to call after a failed `write` or `close`, and twice. */
  abort(): Promise<void>;
}
