import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";

/** Signed 64-bit integer, little-endian. Beyond ±2^24, rounded to f64 and then to f32, each to nearest, ties to even.
 * Only read: ggml has no conversion of floats to it either.
 * Source: ggml, include/ggml.h.
 */
export const I64: BlockCodec = /* @__PURE__ */ blockCodec("I64", {
  dequantizeBlocks(bytes, blockCount, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < blockCount; i++) out[i] = Number(view.getBigInt64(8 * i, true));
  },
});
