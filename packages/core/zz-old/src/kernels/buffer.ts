import { UsageError } from "../errors.ts";
import { allocateRange, kernelMemory, releaseRange } from "./memory.ts";
import { kernelsAreInstalled } from "./switch.ts";

/**
 * Bytes that kernels work on in place: read a file into them, give them to a codec, write them out, and nothing is copied
 * on the way. Without kernels it is plain memory, so that callers can use it either way.
 */
export interface KernelBuffer {
  readonly byteLength: number;
  /**
   * The bytes `[start, end)`, all by default. A view is good until the buffer is released, and until the next buffer that is
   * allocated without a wait in between, which may move the memory: allocate everything first, then take views.
   */
  bytes(start?: number, end?: number): Uint8Array<ArrayBuffer>;
  /** The f32 `[start, end)`, all by default. Valid as long as `bytes` is. */
  floats(start?: number, end?: number): Float32Array<ArrayBuffer>;
  /** Gives the memory back; the buffer and its views must not be used after. */
  release(): void;
}

/** Buffers that are not released, and those of them that were allocated since the last wait. */
const held = { all: 0, fresh: 0 };
/** Changes with each wait. */
let turn = 0;

/** A memory that grows takes all views of it away, so it grows only while no one can have waited with a view. */
function countBuffer(): () => void {
  const own = turn;
  if (held.fresh === 0) {
    queueMicrotask(() => {
      turn++;
      held.fresh = 0;
    });
  }
  held.all++;
  held.fresh++;
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    held.all--;
    if (own === turn) held.fresh--;
  };
}

/**
 * A buffer in the memory of the kernels, or in plain memory where the kernels' memory is full and other buffers in it are in
 * use. Its contents are undefined.
 * @throws UsageError when `byteLength` is not a multiple of four
 */
export function allocateKernelBuffer(byteLength: number): KernelBuffer {
  if (!(Number.isInteger(byteLength) && byteLength >= 0 && byteLength % 4 === 0)) {
    throw new UsageError(`A kernel buffer has a multiple of 4 bytes, not ${byteLength}.`);
  }
  if (kernelsAreInstalled()) {
    try {
      const offset = allocateRange(byteLength, held.all === held.fresh);
      if (offset !== undefined) return placedBuffer(offset, byteLength);
    } catch (error) {
      // the memory is full, or the engine refuses to create it: codecs copy then
      if (!(error instanceof RangeError || error instanceof WebAssembly.RuntimeError)) throw error;
    }
  }
  const plain = new ArrayBuffer(byteLength);
  return { byteLength, ...views(() => plain, 0, byteLength), release() {} };
}

function placedBuffer(offset: number, byteLength: number): KernelBuffer {
  const uncount = countBuffer();
  return {
    byteLength,
    ...views(() => kernelMemory().buffer as ArrayBuffer, offset, byteLength),
    release() {
      uncount();
      releaseRange(offset, byteLength);
    },
  };
}

function views(
  buffer: () => ArrayBuffer,
  offset: number,
  byteLength: number,
): Pick<KernelBuffer, "bytes" | "floats"> {
  return {
    bytes(start = 0, end = byteLength) {
      checkRange(start, end, byteLength, "bytes");
      return new Uint8Array(buffer(), offset + start, end - start);
    },
    floats(start = 0, end = byteLength / 4) {
      checkRange(start, end, byteLength / 4, "floats");
      return new Float32Array(buffer(), offset + 4 * start, end - start);
    },
  };
}

function checkRange(start: number, end: number, length: number, what: string): void {
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= length)) {
    throw new UsageError(
      `The ${what} ${start} to ${end} are not within a kernel buffer of ${length} ${what}.`,
    );
  }
}
