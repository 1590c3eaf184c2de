/** Longer ones are left to the collector: they are rare, and kept ones would be held for nothing. */
const MOST_KEPT_BYTE_LENGTH = 8 * 1024 * 1024;

/** Memory that reads go into, used again and again: a buffer made for each read is freed long after it was needed. */
export class ReadBuffers {
  private readonly spare: Uint8Array[] = [];
  private readonly mostSpare: number;

  constructor(mostSpare: number) {
    this.mostSpare = mostSpare;
  }

  /** At least so many bytes, with anything in them. */
  take(byteLength: number): Uint8Array {
    const index = this.spare.findIndex((buffer) => buffer.byteLength >= byteLength);
    const [found] = index < 0 ? [] : this.spare.splice(index, 1);
    return found ?? new Uint8Array(byteLength);
  }

  /** The caller, and every read into it, must be done with it. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.byteLength > MOST_KEPT_BYTE_LENGTH) return;
    // the longest are kept: they serve any read
    this.spare.push(buffer);
    this.spare.sort((a, b) => a.byteLength - b.byteLength);
    if (this.spare.length > this.mostSpare) this.spare.shift();
  }
}
