import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";

/** Signed byte. Every value is exact in f32.
 * Only read: ggml has no conversion of floats to it either.
 * Source: ggml, include/ggml.h.
 */
export const I8: BlockCodec = /* @__PURE__ */ blockCodec("I8", {
  dequantizeBlocks(bytes, blockCount, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < blockCount; i++) out[i] = view.getInt8(i);
  },
});
