import { FormatError } from "@requant/core";
import type { Examination, OpenableWeight, OpenedWeight, StoredPart } from "@requant/core/format";
import { allocateKernelBuffer } from "@requant/core/kernels";
import { ReadBuffers } from "./read-buffers.ts";

export interface LinearReads {
  examine(name: string): Promise<Examination>;
  /** Calls `work` with an opened weight, which is valid until `work` returns. `ends`: the weight is not needed again soon. */
  use<T>(name: string, work: (weight: OpenedWeight) => T, ends?: boolean): Promise<T>;
  /** Keeps the parts of a weight in memory once they are read. @returns a function that ends this */
  hold(name: string): () => void;
  /**
   * Memory where kernels work for as many of these weights as are held, taken now, because memory that grows later takes
   * views of it away. Without it, and where there is none, parts are read elsewhere and kernels get copies.
   * @returns a function that releases the memory; no weight may be in use when it is called
   */
  reserve(names: Iterable<string>): () => void;
}

interface Opened {
  readonly name: string;
  /** With the bytes that it reads. */
  readonly weight: Promise<{ readonly weight: OpenedWeight; readonly bytes: Record<string, Uint8Array> }>;
  readonly memory: PartsMemory;
  /** Calls of `use` that have not returned. */
  users: number;
  /** The last call of `use` read the weight to its last row. */
  ended: boolean;
}

/** Memory for all parts of one weight. */
interface PartsMemory {
  readonly byteLength: number;
  bytes(start: number, end: number): Uint8Array;
  readonly reserved: boolean;
}

/** Number of weights whose parts are kept in memory: a thread works on two weights in turns. */
const HELD = 2;

/** Parts begin at whole lines of the cache. */
const ALIGNMENT = 64;

/**
 * Reads linear weights of a model. The parts of the last used ones are held, which bounds the memory of a conversion; an
 * evicted weight's memory is used for the next one. Examinations are small and are all kept.
 */
export function linearReads(
  weights: ReadonlyMap<string, OpenableWeight>,
  partsOf: (name: string) => readonly StoredPart[],
  readInto: (part: StoredPart, target: Uint8Array) => Promise<void>,
): LinearReads {
  const examinations = new Map<string, Promise<Examination>>();
  /** Memory of examinations, which keep no bytes. */
  const buffers = new ReadBuffers(2);
  /** The last used first. */
  let held: Opened[] = [];
  /** Weights that `hold` keeps, and how often. */
  const kept = new Map<string, number>();
  /** Memory of evicted weights. */
  let free: PartsMemory[] = [];

  function weightOf(name: string): OpenableWeight {
    const found = weights.get(name);
    if (found === undefined) {
      throw new FormatError("There is no packed weight of this name.", { tensor: name });
    }
    return found;
  }

  /** Free memory that is long enough, or new; what is not reserved may not be much too long. */
  function takeMemory(byteLength: number): PartsMemory {
    const fits = (memory: PartsMemory): boolean =>
      memory.byteLength >= byteLength && (memory.reserved || memory.byteLength <= 4 * byteLength);
    const taken = free.find((memory) => memory.reserved && fits(memory)) ?? free.find(fits);
    free = free.filter((memory) => memory !== taken);
    return taken ?? plainMemory(new Uint8Array(byteLength));
  }

  /** One that is not reserved is kept at most. */
  function giveBack(memory: PartsMemory): void {
    free = [memory, ...free.filter((other) => other !== memory && (other.reserved || memory.reserved))];
  }

  function examine(name: string): Promise<Examination> {
    const known = examinations.get(name);
    if (known !== undefined) return known;
    const weight = weightOf(name);
    const wanted = partsOf(name).filter(({ suffix }) => weight.parameterSuffixes.includes(suffix));
    const memory = buffers.take(lengthOf(wanted));
    // after a failure the memory is not used again: a read may still be on its way
    const found = readParts(wanted, plainMemory(memory)).then((bytes) => {
      const examination = weight.examine(bytes);
      buffers.giveBack(memory);
      return examination;
    });
    examinations.set(name, found);
    // after a failure the next call reads again
    found.catch(() => examinations.delete(name));
    return found;
  }

  async function readParts(
    parts: readonly StoredPart[],
    memory: PartsMemory,
  ): Promise<Record<string, Uint8Array>> {
    for (;;) {
      const bytes: Record<string, Uint8Array> = {};
      let start = 0;
      try {
        for (const { suffix, byteLength } of parts) {
          bytes[suffix] = memory.bytes(start, start + byteLength);
          start += alignedLength(byteLength);
        }
        for (const part of parts) await readInto(part, bytes[part.suffix] ?? new Uint8Array(0));
        if (areThere(parts, bytes)) return bytes;
      } catch (error) {
        // the kernels' memory grew during the read, which detached the views of it: read again
        if (areThere(parts, bytes)) throw error;
      }
    }
  }

  function open(name: string): Opened {
    const known = held.find((opened) => opened.name === name);
    if (known !== undefined) {
      held = [known, ...held.filter((opened) => opened !== known)];
      return known;
    }
    const weight = weightOf(name);
    while (held.length >= HELD) evict(leastNeeded());
    const parts = partsOf(name);
    const memory = takeMemory(lengthOf(parts));
    const opened: Opened = {
      name,
      weight: readParts(parts, memory).then(async (bytes) => {
        const known = await examinations.get(name);
        return { bytes, weight: weight.open(bytes, known) };
      }),
      memory,
      users: 0,
      ended: false,
    };
    held.unshift(opened);
    opened.weight.catch(() => evict(opened));
    return opened;
  }

  /** A weight that was read to its end, or the one that was used the longest time ago; one that `hold` keeps comes last. */
  function leastNeeded(): Opened | undefined {
    const others = held.filter(({ name }) => !kept.has(name));
    const free = others.length > 0 ? others : held;
    return free.find(({ ended }) => ended) ?? free[free.length - 1];
  }

  function hold(name: string): () => void {
    kept.set(name, (kept.get(name) ?? 0) + 1);
    return () => {
      const count = (kept.get(name) ?? 0) - 1;
      if (count > 0) kept.set(name, count);
      else kept.delete(name);
    };
  }

  /** The memory of a weight in use is released when its last use ends. */
  function evict(opened: Opened | undefined): void {
    held = held.filter((other) => other !== opened);
    if (opened?.users === 0) giveBack(opened.memory);
  }

  async function use<T>(name: string, work: (weight: OpenedWeight) => T, ends = false): Promise<T> {
    for (;;) {
      const opened = open(name);
      opened.users++;
      try {
        const { weight, bytes } = await opened.weight;
        if (areThere(partsOf(name), bytes)) return work(weight);
        held = held.filter((other) => other !== opened);
      } finally {
        opened.users--;
        opened.ended = ends;
        if (opened.users === 0 && !held.includes(opened)) giveBack(opened.memory);
      }
    }
  }

  function reserve(names: Iterable<string>): () => void {
    let byteLength = 0;
    for (const name of names) byteLength = Math.max(byteLength, lengthOf(partsOf(name)));
    const count = byteLength === 0 ? 0 : HELD;
    const buffers = Array.from({ length: count }, () => allocateKernelBuffer(byteLength));
    const reserved = buffers.map(({ bytes }): PartsMemory => ({ byteLength, bytes, reserved: true }));
    free = [...free, ...reserved];
    return () => {
      held = held.filter(({ memory }) => !reserved.includes(memory));
      free = free.filter((memory) => !reserved.includes(memory));
      for (const buffer of buffers) buffer.release();
    };
  }

  return { examine, use, hold, reserve };
}

function alignedLength(byteLength: number): number {
  return Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
}

/** Memory that the parts of one weight take together, in bytes. */
export function lengthOf(parts: readonly StoredPart[]): number {
  return parts.reduce((sum, { byteLength }) => sum + alignedLength(byteLength), 0);
}

function plainMemory({ buffer, byteOffset, byteLength }: Uint8Array): PartsMemory {
  return {
    byteLength,
    bytes: (start, end) => new Uint8Array(buffer, byteOffset + start, end - start),
    reserved: false,
  };
}

/** False where the memory of kernels has grown since: the views of it that there were are empty. */
function areThere(parts: readonly StoredPart[], bytes: Readonly<Record<string, Uint8Array>>): boolean {
  return parts.every(({ suffix, byteLength }) => bytes[suffix]?.byteLength === byteLength);
}
