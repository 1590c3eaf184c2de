/** Collects what is written in any order until a part of an upload is complete. */

/** Parts that are sent at the same time. */
export const PARTS_IN_FLIGHT = 4;

/** A range of a file: what comes from the run, in contrast to the zeros between. */
export interface FilledRange {
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** How a file is cut into parts, and which the server has. */
export interface Parts {
  readonly byteLength: number;
  /** Length of every part but the last. */
  readonly partByteLength: number;
  /** All ranges that will be written. */
  readonly filled: Iterable<FilledRange>;
  isSent(index: number): boolean;
  send(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

interface OpenPart {
  /** Bytes that are still to come. */
  missing: number;
  readonly chunks: { readonly bytes: Uint8Array; readonly start: number }[];
}

/**
 * Memory: the bytes of parts that are not complete, and at most `PARTS_IN_FLIGHT` parts on their way. `write` waits while as
 * many are, so that a slow server slows the run down.
 */
export class PartBuffers {
  private readonly parts: Parts;
  private readonly open = new Map<number, OpenPart>();
  private readonly sending = new Set<Promise<void>>();
  private failure: { readonly error: unknown } | undefined;

  constructor(parts: Parts) {
    this.parts = parts;
    const count = Math.max(1, Math.ceil(parts.byteLength / parts.partByteLength));
    for (let index = 0; index < count; index++) {
      if (!parts.isSent(index)) this.open.set(index, { missing: 0, chunks: [] });
    }
    for (const { byteOffset, byteLength } of parts.filled) {
      this.eachPart(byteOffset, byteLength, (part, start, end) => {
        part.missing += end - start;
      });
    }
  }

  /** Sends parts that no range fills, such as that of an empty file. */
  async begin(): Promise<void> {
    for (const [index, { missing }] of this.open) if (missing === 0) await this.send(index);
  }

  /** `bytes` may be reused when the promise resolves. Bytes of parts that the server has are dropped. */
  async write(bytes: Uint8Array, byteOffset: number): Promise<void> {
    const complete: number[] = [];
    this.eachPart(byteOffset, bytes.byteLength, (part, start, end, index) => {
      part.chunks.push({ bytes: bytes.slice(start - byteOffset, end - byteOffset), start });
      part.missing -= end - start;
      if (part.missing === 0) complete.push(index);
    });
    for (const index of complete) await this.send(index);
  }

  /** Waits for all parts on their way. @throws the first failure of one */
  async flush(): Promise<void> {
    while (this.sending.size > 0) await Promise.race(this.sending);
    if (this.failure !== undefined) throw this.failure.error;
  }

  /** Waits until no part is on its way, whatever became of them. */
  async settle(): Promise<void> {
    await Promise.all(this.sending);
  }

  private async send(index: number): Promise<void> {
    while (this.sending.size >= PARTS_IN_FLIGHT) await Promise.race(this.sending);
    if (this.failure !== undefined) throw this.failure.error;
    const part = this.open.get(index);
    if (part === undefined) return;
    this.open.delete(index);
    const bytes = this.joined(index, part);
    const sent: Promise<void> = this.parts.send(index, bytes).then(
      () => {
        this.sending.delete(sent);
      },
      (error: unknown) => {
        this.failure ??= { error };
        this.sending.delete(sent);
      },
    );
    this.sending.add(sent);
  }

  private joined(index: number, { chunks }: OpenPart): Uint8Array<ArrayBuffer> {
    const { byteLength, partByteLength } = this.parts;
    const start = index * partByteLength;
    const joined = new Uint8Array(Math.min(partByteLength, byteLength - start));
    for (const chunk of chunks.splice(0)) joined.set(chunk.bytes, chunk.start - start);
    return joined;
  }

  /** Calls `use` with the share `[start, end)` of each part that is still to be sent. */
  private eachPart(
    byteOffset: number,
    byteLength: number,
    use: (part: OpenPart, start: number, end: number, index: number) => void,
  ): void {
    const { partByteLength } = this.parts;
    const last = byteOffset + byteLength;
    for (let start = byteOffset; start < last; ) {
      const index = Math.floor(start / partByteLength);
      const end = Math.min(last, (index + 1) * partByteLength);
      const part = this.open.get(index);
      if (part !== undefined) use(part, start, end, index);
      start = end;
    }
  }
}
