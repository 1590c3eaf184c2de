/**
 * The four-bit float E2M1 (sign, two exponent bits, one mantissa bit) that MXFP4 and NVFP4 share.
 * The table holds twice the value, so that all are integers; the scales that go with it are halved.
 * Source: ggml, src/ggml-common.h (kvalues_mxfp4); OCP Microscaling Formats 1.0.
 */
export const E2M1_DOUBLED: Int8Array = /* @__PURE__ */ new Int8Array([
  0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12,
]);

const fround = Math.fround;

/**
 * The code whose value is nearest to `value` under scale `d`, errors compared in f32; the smaller magnitude on a tie.
 * ggml compares all sixteen; the eight of the value's own sign decide, and its −0 (code 8) is never chosen.
 */
export function nearestE2m1(value: number, d: number): number {
  const magnitude = Math.abs(value);
  let best = 0;
  let bestError = magnitude;
  for (let code = 1; code < 8; code++) {
    const error = Math.abs(fround(fround(E2M1_DOUBLED[code]! * d) - magnitude));
    if (error < bestError) {
      best = code;
      bestError = error;
    }
  }
  return best !== 0 && value < 0 ? best + 8 : best;
}
