import type { BlockCodec } from "@requant/core";
import { integerCodec } from "./integer.ts";

/** Signed 32-bit integer, little-endian. Beyond ±2^24, rounded to f32 (nearest, ties to even).
 * Source: ggml, include/ggml.h.
 */
export const I32: BlockCodec = /* @__PURE__ */ integerCodec("I32", {
  byteLength: 4,
  get: (view, at) => view.getInt32(at, true),
  set: (view, at, value) => view.setInt32(at, value, true),
});
