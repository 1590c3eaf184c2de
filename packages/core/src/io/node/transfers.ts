import { readSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** As a promise of FileHandle's: how many bytes were moved, which may be fewer than asked for. */
export interface Transfers {
  read(target: Uint8Array, offset: number, byteLength: number, position: number): Promise<number>;
  write(source: Uint8Array, offset: number, byteLength: number, position: number): Promise<number>;
}

/** Slower than this, in bytes per millisecond, and it was no copy from or to the system's memory. */
const COPY_SPEED = 2_000_000;

/** Milliseconds that any call may take besides. */
const CALL = 0.05;

/** Transfers by way of another thread after a slow one. */
const PATIENCE = 16;

/**
 * Where to wait for the next transfer. What the system has in its memory is copied by the calling thread in less time than
 * another one would take to hear of it; what comes from a disk is better waited for elsewhere, while this thread works. Which
 * it is shows only in the time: so one is tried here, and after a slow one the next few go elsewhere.
 */
export class Pace {
  private leftElsewhere = 0;

  isHere(): boolean {
    if (this.leftElsewhere === 0) return true;
    this.leftElsewhere -= 1;
    return false;
  }

  /** Of a transfer made here. */
  took(milliseconds: number, byteLength: number): void {
    if (milliseconds > CALL + byteLength / COPY_SPEED) this.leftElsewhere = PATIENCE;
  }
}

export function transfersOf(handle: FileHandle): Transfers {
  const paces = { read: new Pace(), write: new Pace() };
  // of a closed file there is no number, and the promise says so properly
  const isHere = (work: "read" | "write"): boolean => handle.fd >= 0 && paces[work].isHere();
  async function here(work: "read" | "write", move: () => number): Promise<number> {
    const start = performance.now();
    const count = move();
    paces[work].took(performance.now() - start, count);
    // the thread's other tasks get their turn, as they would have
    await new Promise(setImmediate);
    return count;
  }
  return {
    async read(target, offset, byteLength, position) {
      if (isHere("read")) {
        return here("read", () => readSync(handle.fd, target, offset, byteLength, position));
      }
      return (await handle.read(target, offset, byteLength, position)).bytesRead;
    },
    async write(source, offset, byteLength, position) {
      if (isHere("write")) {
        return here("write", () => writeSync(handle.fd, source, offset, byteLength, position));
      }
      return (await handle.write(source, offset, byteLength, position)).bytesWritten;
    },
  };
}
