import { allocateKernelBuffer, type KernelBuffer } from "@requant/core/kernels";

/** Memory that is needed to make one band, in bytes, by purpose. */
export interface WorkSizes {
  /** Stored bytes as they are read. */
  readonly stored: number;
  /** f32 values. */
  readonly values: number;
  /** f32 values that were encoded and decoded again. */
  readonly decoded: number;
  /** New bytes. */
  readonly out: number;
}

export const noWork: WorkSizes = { stored: 0, values: 0, decoded: 0, out: 0 };

export function largestOf(a: WorkSizes, b: WorkSizes): WorkSizes {
  return {
    stored: Math.max(a.stored, b.stored),
    values: Math.max(a.values, b.values),
    decoded: Math.max(a.decoded, b.decoded),
    out: Math.max(a.out, b.out),
  };
}

/**
 * The memory in which one band after the other is made: in the kernels' own memory, so that files are read straight into
 * it and nothing is copied on the way. Allocated once, for the largest band, because growing would move it under a
 * read that is on its way. Views are taken fresh after each wait, for the same reason.
 */
export class WorkArea {
  private readonly buffers: Readonly<Record<keyof WorkSizes, KernelBuffer>>;

  constructor(sizes: WorkSizes) {
    const buffer = (byteLength: number): KernelBuffer => allocateKernelBuffer(Math.ceil(byteLength / 4) * 4);
    this.buffers = {
      stored: buffer(sizes.stored),
      values: buffer(sizes.values),
      decoded: buffer(sizes.decoded),
      out: buffer(sizes.out),
    };
  }

  bytes(use: "stored" | "out", start: number, end: number): Uint8Array {
    return this.buffers[use].bytes(start, end);
  }

  floats(use: "values" | "decoded", length: number): Float32Array {
    return this.buffers[use].floats(0, length);
  }

  release(): void {
    for (const buffer of Object.values(this.buffers)) buffer.release();
  }
}
