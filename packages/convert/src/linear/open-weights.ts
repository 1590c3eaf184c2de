import { FormatError, type LinearWeight } from "@requant/core";
import type { Examination, OpenableWeight, StoredPart } from "./linear-weight.ts";

export interface LinearReads {
  examine(name: string): Promise<Examination>;
  /** What `work` makes of an opened weight, which is good until it returns. */
  use<T>(name: string, work: (weight: LinearWeight) => T): Promise<T>;
}

interface Opened {
  readonly name: string;
  readonly weight: Promise<LinearWeight>;
  /** The memory of its parts. */
  readonly memory: ArrayBuffer[];
  /** Calls of `use` that have not come to their end. */
  users: number;
}

/**
 * Reads linear weights of a model. The parts of one weight are held at a time, the last that was opened: what bounds the
 * memory of a conversion. The next one's are read into the same memory. Examinations are small and kept.
 */
export function linearReads(
  weights: ReadonlyMap<string, OpenableWeight>,
  partsOf: (name: string) => readonly StoredPart[],
  readInto: (part: StoredPart, target: Uint8Array) => Promise<void>,
): LinearReads {
  const examinations = new Map<string, Promise<Examination>>();
  let last: Opened | undefined;
  /** Of the last weight that nobody uses any more. */
  let spare: ArrayBuffer[] = [];

  function weightOf(name: string): OpenableWeight {
    const found = weights.get(name);
    if (found === undefined) {
      throw new FormatError("there is no packed weight of this name", { tensor: name });
    }
    return found;
  }

  async function bytesOf(
    name: string,
    memoryFor: (byteLength: number) => ArrayBuffer,
    suffixes?: readonly string[],
  ): Promise<Record<string, Uint8Array>> {
    const bytes: Record<string, Uint8Array> = {};
    for (const part of partsOf(name)) {
      if (suffixes?.includes(part.suffix) === false) continue;
      const target = new Uint8Array(memoryFor(part.byteLength), 0, part.byteLength);
      await readInto(part, target);
      bytes[part.suffix] = target;
    }
    return bytes;
  }

  /** Spare memory that is long enough, but not much too long, or new. */
  function takeMemory(byteLength: number): ArrayBuffer {
    const index = spare.findIndex(
      (memory) => memory.byteLength >= byteLength && memory.byteLength <= 4 * byteLength,
    );
    return (index < 0 ? undefined : spare.splice(index, 1)[0]) ?? new ArrayBuffer(byteLength);
  }

  function examine(name: string): Promise<Examination> {
    const known = examinations.get(name);
    if (known !== undefined) return known;
    const weight = weightOf(name);
    const fresh = (byteLength: number): ArrayBuffer => new ArrayBuffer(byteLength);
    const found = bytesOf(name, fresh, weight.parameterSuffixes).then((bytes) => weight.examine(bytes));
    examinations.set(name, found);
    // a read that failed is tried again next time
    found.catch(() => examinations.delete(name));
    return found;
  }

  function open(name: string): Opened {
    if (last?.name === name) return last;
    const weight = weightOf(name);
    // let go of the other one first
    const before = last;
    last = undefined;
    if (before !== undefined) letGo(before);
    const memory: ArrayBuffer[] = [];
    const bytes = bytesOf(name, (byteLength) => {
      const taken = takeMemory(byteLength);
      memory.push(taken);
      return taken;
    });
    const opened: Opened = { name, weight: bytes.then((parts) => weight.open(parts)), memory, users: 0 };
    last = opened;
    opened.weight.catch(() => {
      if (last === opened) last = undefined;
    });
    return opened;
  }

  /** A weight that others still use keeps its memory until they are done. */
  function letGo(opened: Opened): void {
    if (opened.users === 0) spare = opened.memory;
  }

  return {
    examine,
    async use(name, work) {
      const opened = open(name);
      opened.users++;
      try {
        return work(await opened.weight);
      } finally {
        opened.users--;
        if (last !== opened) letGo(opened);
      }
    },
  };
}
