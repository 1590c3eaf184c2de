/**
 * A module of one function `() -> v128` whose body is `i32.const 0; i8x16.splat; i8x16.popcnt`: popcnt was among the
 * last instructions added, so an engine that accepts it has all of fixed-width SIMD.
 */
const probe: readonly number[] = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98,
  11,
];

let supported: boolean | undefined;

/** Whether this engine has WebAssembly with 128-bit SIMD. */
export function simdIsSupported(): boolean {
  supported ??= typeof WebAssembly === "object" && WebAssembly.validate(Uint8Array.from(probe));
  return supported;
}
