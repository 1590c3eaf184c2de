import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";

/** Signed 32-bit integer, little-endian. Beyond ±2^24, f32 rounds to nearest, ties to even.
 * Only read: ggml has no conversion of floats to it either.
 * Source: ggml, include/ggml.h.
 */
export const I32: BlockCodec = /* @__PURE__ */ blockCodec("I32", {
  dequantizeBlocks(bytes, blockCount, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < blockCount; i++) out[i] = view.getInt32(4 * i, true);
  },
});
