/**
 * The four-bit float E2M1: a sign, two exponent bits, one mantissa bit. MXFP4 and NVFP4 store weights in it.
 * Source: OCP Microscaling Formats 1.0.
 */

/** The values of the sixteen codes; code 8 is −0. */
export const E2M1_VALUES: Float32Array = /* @__PURE__ */ Float32Array.from([
  0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6,
]);

/** Halfway between two neighbouring values, and whether the even code lies above. */
const MIDDLES: readonly number[] = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5];

/**
 * The E2M1 code that is nearest to a number, ties to the even code; numbers beyond 6 become ±6. NaN becomes 0.
 * @example
 * import { floatToE2m1 } from "@requant/core/numeric";
 *
 * const code: number = floatToE2m1(-2.4); // 12: −2
 */
export function floatToE2m1(value: number): number {
  const magnitude = Math.abs(value);
  let code = 0;
  // codes whose lower neighbour is odd win a tie, because they are even
  while (code < 7 && (code % 2 === 0 ? magnitude > MIDDLES[code]! : magnitude >= MIDDLES[code]!)) code++;
  return value < 0 || Object.is(value, -0) ? code + 8 : code;
}
