import type { BlockCodec } from "@requant/core";
import { integerCodec } from "./integer.ts";

/** Signed 16-bit integer, little-endian. Every value is exact in f32.
 * Source: ggml, include/ggml.h.
 */
export const I16: BlockCodec = /* @__PURE__ */ integerCodec("I16", {
  byteLength: 2,
  get: (view, at) => view.getInt16(at, true),
  set: (view, at, value) => view.setInt16(at, value, true),
});
