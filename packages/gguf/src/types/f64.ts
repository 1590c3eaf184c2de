import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";

/** IEEE binary64, little-endian. Dequantizing rounds to f32 (nearest, ties to even); quantizing is exact.
 * Source: ggml, include/ggml.h.
 */
export const F64: BlockCodec = /* @__PURE__ */ blockCodec("F64", {
  dequantizeBlocks(bytes, blockCount, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < blockCount; i++) out[i] = view.getFloat64(8 * i, true);
  },
  quantizeRow(values, start, end, out, outOffset) {
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    for (let i = start, at = outOffset; i < end; i++, at += 8) view.setFloat64(at, values[i]!, true);
  },
});
