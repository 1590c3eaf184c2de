// Loaded before a measured program: at its end, what the process used goes to file descriptor 3.
import { readFileSync, writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/** getrusage's figure may be that of the parent before exec; on Linux, /proc has the right one. */
function peakBytes(maxRSS) {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {
    return 1024 * maxRSS;
  }
}

/** Bytes that all threads wrote, where Linux counts them. */
function writtenBytes() {
  try {
    return Number(/wchar:\s+(\d+)/.exec(readFileSync("/proc/self/io", "utf8"))[1]);
  } catch {
    return undefined;
  }
}

if (isMainThread) {
  process.on("exit", () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
    writeSync(3, JSON.stringify({ cpuSeconds, peakBytes: peakBytes(maxRSS), writtenBytes: writtenBytes() }));
  });
}
