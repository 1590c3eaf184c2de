/** The twin of `string-walk.ts`: an engine runs WebAssembly at full speed from the first string on, and TypeScript only later. */

import type { KernelModule } from "@requant/core/kernels";
import { kernelMemory, kernelModule, TILE_BYTE_LENGTH, tileOffset } from "@requant/core/kernels";
import { wasm } from "../generated/header-kernels.ts";
import * as reference from "../string-walk.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** Of fewer strings the kernel's start costs more than the walk. */
const LEAST_COUNT = 4096;

/** The kernel's addresses have 32 bits. */
const MOST_BYTES = 2 ** 31 - TILE_BYTE_LENGTH - tileOffset(0);

export function skipStrings(walk: reference.StringWalk): reference.WalkedStrings {
  const { bytes, start, count, limit, littleEndian } = walk;
  if (!littleEndian || count < LEAST_COUNT || bytes.byteLength > MOST_BYTES)
    return reference.skipStrings(walk);
  const kernel = kernels.kernel("skipStrings");
  const skippedStrings = kernels.kernel("skippedStrings");
  if (kernel === undefined || skippedStrings === undefined) return reference.skipStrings(walk);
  const tile = tileOffset(0);
  const memory = new Uint8Array(kernelMemory().buffer, tile, TILE_BYTE_LENGTH);
  let at = start;
  let left = count;
  while (left > 0) {
    const here = bytes.subarray(at, at + TILE_BYTE_LENGTH);
    memory.set(here);
    const end = kernel(
      tile,
      tile + here.byteLength,
      left,
      bytes.byteLength - at,
      Math.min(limit, MOST_BYTES),
    );
    const skipped = skippedStrings();
    if (skipped === 0) break;
    at += end - tile;
    left -= skipped;
  }
  return { end: at, skipped: count - left };
}
