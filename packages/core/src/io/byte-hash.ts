/** A hash of bytes that come in pieces. */
export interface ByteHash {
  /** Adds the next piece, of any length. */
  update(bytes: Uint8Array): void;
  /** The hash in hex digits. Nothing can be added afterwards. */
  hex(): string;
}
