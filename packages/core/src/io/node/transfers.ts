import { readSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** Reads and writes as FileHandle does: a promise of the number of bytes moved, which may be fewer than requested. */
export interface Transfers {
  read(target: Uint8Array, offset: number, byteLength: number, position: number): Promise<number>;
  write(source: Uint8Array, offset: number, byteLength: number, position: number): Promise<number>;
}

/**
 * In bytes per millisecond: a slower transfer was not a copy from or to the system's cache. On a busy machine such a copy
 * moves little more than 1 GB/s; kernels work at about that speed, so beside a disk that is faster no thread idles long.
 */
const COPY_SPEED = 1_000_000;

/** Milliseconds that any call may take in addition. */
const CALL = 0.05;

/** After a slow transfer, so many transfers use another thread. */
const PATIENCE = 16;

/**
 * Chooses between synchronous and asynchronous transfers. Bytes in the system's cache are copied faster than another
 * thread can be called; for bytes from a disk, another thread should wait while this thread works. Only the duration
 * shows which case it is: a transfer is tried synchronously, and after a slow one the next few are asynchronous.
 */
export class Pace {
  private leftElsewhere = 0;

  isHere(): boolean {
    if (this.leftElsewhere === 0) return true;
    this.leftElsewhere -= 1;
    return false;
  }

  /** Records a synchronous transfer. */
  took(milliseconds: number, byteLength: number): void {
    if (milliseconds > CALL + byteLength / COPY_SPEED) this.leftElsewhere = PATIENCE;
  }
}

/**
 * Bytes of one call that writes. For longer ones Linux takes longer pieces of free memory, which a virtual machine may have
 * given back to its host: writing 1 GB then took ten seconds instead of half a second.
 */
const WRITE_BYTE_LENGTH = 256 * 1024;

export function transfersOf(handle: FileHandle): Transfers {
  const paces = { read: new Pace(), write: new Pace() };
  // a closed file has no descriptor, and the asynchronous call reports that properly
  const isHere = (work: "read" | "write"): boolean => handle.fd >= 0 && paces[work].isHere();
  async function here(work: "read" | "write", move: () => number): Promise<number> {
    // the first use of `performance` would load its module, which takes as long as reading megabytes
    const start = process.hrtime();
    const count = move();
    const [seconds, nanoseconds] = process.hrtime(start);
    paces[work].took(1e3 * seconds + nanoseconds / 1e6, count);
    // lets the thread's other tasks run, as an asynchronous call would
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
      const lengthAt = (done: number): number => Math.min(byteLength - done, WRITE_BYTE_LENGTH);
      if (isHere("write")) {
        return here("write", () => {
          let done = 0;
          for (let count = -1; count !== 0 && done < byteLength; done += count) {
            count = writeSync(handle.fd, source, offset + done, lengthAt(done), position + done);
          }
          return done;
        });
      }
      let done = 0;
      for (let count = -1; count !== 0 && done < byteLength; done += count) {
        count = (await handle.write(source, offset + done, lengthAt(done), position + done)).bytesWritten;
      }
      return done;
    },
  };
}
