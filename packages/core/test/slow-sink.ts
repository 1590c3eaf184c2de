import type { ByteSink } from "@requant/core";

export interface SlowSink extends ByteSink {
  /** The most bytes that were waiting to be written at any time. */
  readonly mostWaiting: number;
}

/** Takes `delay` milliseconds for each write, and records how many bytes wait, which shows a writer that does not await. */
export function slowSink(delay: number): SlowSink {
  let byteLength = 0;
  let waiting = 0;
  let mostWaiting = 0;
  return {
    name: "slow",
    get byteLength() {
      return byteLength;
    },
    get mostWaiting() {
      return mostWaiting;
    },
    async write(bytes) {
      waiting += bytes.byteLength;
      mostWaiting = Math.max(mostWaiting, waiting);
      await new Promise((resolve) => setTimeout(resolve, delay));
      waiting -= bytes.byteLength;
      byteLength += bytes.byteLength;
    },
    async close() {},
    async abort() {},
  };
}
