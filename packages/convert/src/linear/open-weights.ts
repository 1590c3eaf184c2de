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

/** Weights whose parts are held: as many as a thread works on in turns, or it would read both anew for each band. */
const HELD = 2;

/**
 * Reads linear weights of a model. The parts of the last used ones are held, which bounds the memory of a conversion; those
 * of others are read into the memory of the one that is let go. Examinations are small and kept.
 */
export function linearReads(
  weights: ReadonlyMap<string, OpenableWeight>,
  partsOf: (name: string) => readonly StoredPart[],
  readInto: (part: StoredPart, target: Uint8Array) => Promise<void>,
): LinearReads {
  const examinations = new Map<string, Promise<Examination>>();
  /** The last used first. */
  let held: Opened[] = [];
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
    const known = held.find((opened) => opened.name === name);
    if (known !== undefined) {
      held = [known, ...held.filter((opened) => opened !== known)];
      return known;
    }
    const weight = weightOf(name);
    for (const old of held.splice(HELD - 1)) letGo(old);
    const memory: ArrayBuffer[] = [];
    const bytes = bytesOf(name, (byteLength) => {
      const taken = takeMemory(byteLength);
      memory.push(taken);
      return taken;
    });
    const opened: Opened = { name, weight: bytes.then((parts) => weight.open(parts)), memory, users: 0 };
    held.unshift(opened);
    opened.weight.catch(() => {
      held = held.filter((other) => other !== opened);
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
        if (!held.includes(opened)) letGo(opened);
      }
    },
  };
}
