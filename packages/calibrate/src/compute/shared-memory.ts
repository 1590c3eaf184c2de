import { LimitError } from "@requant/core";

/** The first bytes are for a task, the threads' control words and the kernels' constants (scripts/build-kernels.mjs). */
const STATIC_BYTE_LENGTH = 16 * 1024;

/** No two arrays share a cache line. */
const ALIGNMENT = 64;

const PAGE = 65536;

/** All that 32-bit addresses reach. */
const MOST_PAGES = 65536;

interface Range {
  start: number;
  end: number;
}

/** Numbers in the shared memory: a copy, or where they are. */
export interface Staged {
  readonly address: number;
  /** Writes a copy back to its origin. */
  copyBack(): void;
  release(): void;
}

/** The WebAssembly memory that the threads of one backend share, and what of it is free. */
export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  /** Free ranges in rising order, never adjacent. */
  readonly #free: Range[] = [];
  readonly #used = new Map<number, number>();
  /** A shared memory that grows has a new buffer, and the views of the old one stay good. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: MOST_PAGES, shared: true });
    this.#buffers.add(this.memory.buffer);
    this.#free.push({ start: STATIC_BYTE_LENGTH, end: PAGE });
  }

  /** The start of `byteLength` free bytes. @throws LimitError where there are none left */
  allocate(byteLength: number): number {
    const wanted = Math.max(ALIGNMENT, Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT);
    let range = this.#free.find(({ start, end }) => end - start >= wanted);
    if (range === undefined) {
      this.#grow(wanted);
      range = this.#free.at(-1);
    }
    if (range === undefined) throw noMemory(byteLength);
    const { start } = range;
    range.start += wanted;
    if (range.start === range.end) this.#free.splice(this.#free.indexOf(range), 1);
    this.#used.set(start, wanted);
    return start;
  }

  /** Gives back what `allocate` returned; a second time does nothing. */
  release(start: number): void {
    const byteLength = this.#used.get(start);
    if (byteLength === undefined) return;
    this.#used.delete(start);
    this.#addFree(start, start + byteLength);
  }

  floats(start: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, start, length);
  }

  /** Where the numbers of a view lie in this memory; undefined where they lie elsewhere. */
  addressOf(view: Float32Array): number | undefined {
    return this.#buffers.has(view.buffer) ? view.byteOffset : undefined;
  }

  /** A part of an array: where it is, or a copy where it lies elsewhere. */
  staged(array: Float32Array, start: number, length: number): Staged {
    const inside = this.addressOf(array);
    if (inside !== undefined) return { address: inside + 4 * start, copyBack() {}, release() {} };
    const address = this.allocate(4 * length);
    const values = this.floats(address, length);
    values.set(array.subarray(start, start + length));
    return {
      address,
      copyBack: () => array.set(values, start),
      release: () => this.release(address),
    };
  }

  #grow(byteLength: number): void {
    const end = this.memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const usable = last?.end === end ? end - last.start : 0;
    try {
      this.memory.grow(Math.ceil((byteLength - usable) / PAGE));
    } catch (cause) {
      throw noMemory(byteLength, cause);
    }
    this.#buffers.add(this.memory.buffer);
    this.#addFree(end, this.memory.buffer.byteLength);
  }

  #addFree(start: number, end: number): void {
    let index = this.#free.findIndex((range) => range.start >= end);
    if (index < 0) index = this.#free.length;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    if (before?.end === start && after?.start === end) {
      before.end = after.end;
      this.#free.splice(index, 1);
    } else if (before?.end === start) before.end = end;
    else if (after?.start === end) after.start = start;
    else this.#free.splice(index, 0, { start, end });
  }
}

function noMemory(byteLength: number, cause?: unknown): LimitError {
  return new LimitError(
    `The kernels' memory has no room for ${byteLength} bytes more; it has 4 GiB at most.`,
    { hint: "Use shorter windows.", cause },
  );
}
