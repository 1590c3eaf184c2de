import type { BlockCodec } from "@requant/core";
import { integerCodec } from "./integer.ts";

/** Signed 64-bit integer, little-endian. Beyond ±2^24, rounded to f64 and then to f32, each to nearest, ties to even.
 * Source: ggml, include/ggml.h.
 */
export const I64: BlockCodec = /* @__PURE__ */ integerCodec("I64", {
  byteLength: 8,
  get: (view, at) => Number(view.getBigInt64(at, true)),
  set: (view, at, value) =>
    // 2^63 − 1 is not a double; the nearest double, 2^63, is outside the range
    view.setBigInt64(at, value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value), true),
});
