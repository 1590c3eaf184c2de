/** llama.cpp's own conversion of a file, in a process of its own. */
import { childPath, nodeUsage, type Usage } from "./child-process.ts";
import { findNativeLlama } from "./native.ts";

export interface NativeQuantize {
  readonly input: string;
  readonly output: string;
  /** llama.cpp's number of the file type. */
  readonly fileType: number;
  readonly threads: number;
  /** One type for all tensors. */
  readonly pure?: boolean;
  readonly importance?: ImportanceFiles;
}

/** An importance matrix as the child process reads it. */
export interface ImportanceFiles {
  /** JSON: names, and where the numbers of each stand in `data`. */
  readonly index: string;
  /** All numbers in f32. */
  readonly data: string;
}

/** Undefined where node-llama-cpp has no library for this machine. */
export function findNativeQuantize(): ((options: NativeQuantize) => Promise<Usage>) | undefined {
  const native = findNativeLlama();
  if (native === undefined) return undefined;
  return (options) =>
    nodeUsage(childPath("native-quantize.mjs"), [JSON.stringify({ ...native, ...options })]);
}
