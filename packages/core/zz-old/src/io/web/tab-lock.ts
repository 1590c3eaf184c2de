import { IoError } from "../../errors.ts";

/** Tells other tabs that this one is writing a file. The browser releases the lock when the tab or worker ends. */
export interface TabLock {
  release(): Promise<void>;
}

/** @throws IoError when another tab, or another run in this one, holds the lock */
export function acquireTabLock(name: string, path: string): Promise<TabLock> {
  // some browsers have no locks here; an open file is then protected by itself
  const locks: LockManager | undefined = navigator.locks;
  if (locks === undefined) return Promise.resolve({ async release() {} });
  return new Promise((resolve, reject) => {
    const held = locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) throw inUse(path);
      return new Promise<void>((free) => {
        resolve({
          async release() {
            free();
            await held;
          },
        });
      });
    });
    held.catch(reject);
  });
}

function inUse(path: string): IoError {
  return new IoError("Another run is writing this file, here or in another tab.", {
    path,
    hint: "Wait until it is done, or close the other tab.",
  });
}
