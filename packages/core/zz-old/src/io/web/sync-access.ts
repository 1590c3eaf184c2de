/** Reads and writes of the origin-private file system that do all that they are asked to, or throw. */
import { IoError } from "../../errors.ts";
import type { SyncAccess } from "./handles.ts";
import { noRoom } from "./web-error.ts";

/** Holes read as zeros, which is what lies between tensors. */
export function resize(access: SyncAccess, byteLength: number, path: string): void {
  access.truncate(byteLength);
  // in private windows Chromium does not throw where there is no room
  if (access.getSize() !== byteLength) throw noRoom(path);
}

export function writeAll(access: SyncAccess, path: string, bytes: Uint8Array, start: number): void {
  for (let done = 0; done < bytes.byteLength; ) {
    const written = access.write(bytes.subarray(done), { at: start + done });
    // in private windows Chromium returns a number near 2^32 where there is no room
    if (written === 0 || written > bytes.byteLength - done) throw noRoom(path);
    done += written;
  }
}

export function readAll(access: SyncAccess, path: string, target: Uint8Array, start: number): void {
  for (let done = 0; done < target.byteLength; ) {
    const count = access.read(target.subarray(done), { at: start + done });
    if (count === 0 || count > target.byteLength - done) {
      throw new IoError(`The file ends at byte ${start + done}.`, { path, offset: start + done });
    }
    done += count;
  }
}

/** Reads and writes are synchronous: without this, the thread would not see that it shall stop until all are done. */
export function letEventsIn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
