import type { BlockCodec } from "@requant/core";
import { integerCodec } from "./integer.ts";

/** Signed byte. Every value is exact in f32.
 * Source: ggml, include/ggml.h.
 */
export const I8: BlockCodec = /* @__PURE__ */ integerCodec("I8", {
  byteLength: 1,
  get: (view, at) => view.getInt8(at),
  set: (view, at, value) => view.setInt8(at, value),
});
