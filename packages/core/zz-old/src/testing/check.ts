/** Checks that throw errors with clear messages, for a suite that works with any test runner. */
import { type CodecError, type ErrorCode, isCodecError } from "../errors.ts";

/** @throws Error with the message, unless `holds` is true */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** Checks that two arrays have the same bits, so that −0 is not 0 and NaN is itself. @throws Error */
export function checkBits(found: Float32Array, expected: Float32Array, what: string): void {
  check(found.length === expected.length, `${what}: ${found.length} values, ${expected.length} expected.`);
  const [a, b] = [bitsOf(found), bitsOf(expected)];
  let count = 0;
  let first = -1;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (count === 0) first = i;
    count++;
  }
  check(
    count === 0,
    `${what}: ${count} of ${a.length} values differ; value ${first} is ${found[first]}, ${expected[first]} was expected.`,
  );
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Checks that two arrays of bytes are equal. @throws Error */
export function checkBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  check(found.length === expected.length, `${what}: ${found.length} bytes, ${expected.length} expected.`);
  const first = found.findIndex((byte, i) => byte !== expected[i]);
  check(first === -1, `${what}: byte ${first} is ${found[first]}, ${expected[first]} was expected.`);
}

/** Codes of refusals that blame the file. */
export const FILE_FAULTS: readonly ErrorCode[] = ["FORMAT", "LIMIT", "UNSUPPORTED"];

/** Codes of refusals that blame the caller, or a plan that was edited by hand. */
export const CALLER_FAULTS: readonly ErrorCode[] = ["USAGE", "FORMAT", "LIMIT", "UNSUPPORTED", "CONVERSION"];

/** The result of some work, or its refusal. */
export type Attempt<T> =
  | { readonly value: T; readonly refusal?: undefined }
  | { readonly value?: undefined; readonly refusal: CodecError };

/**
 * Runs the work and returns its result or its refusal.
 * @throws Error where the work throws anything but a CodecError with one of the codes
 */
export async function attempt<T>(
  work: () => T | Promise<T>,
  codes: readonly ErrorCode[],
  what: string,
): Promise<Attempt<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    check(isCodecError(error), `${what}: ${String(error)} is no CodecError.`);
    check(codes.includes(error.code), `${what}: refused with ${error.code}, which blames the wrong one.`);
    check(error.message.trim() !== "", `${what}: the refusal does not say what is wrong.`);
    return { refusal: error };
  }
}

/** Checks that the work is refused. @throws Error where it is not, or with another kind of error */
export async function checkRefused(
  work: () => unknown,
  codes: readonly ErrorCode[],
  what: string,
): Promise<void> {
  const { refusal } = await attempt(work, codes, what);
  check(refusal !== undefined, `${what}: accepted.`);
}

/** SHA-256 of values as they are in memory, in hexadecimal. */
export async function sha256(values: Float32Array | Uint8Array): Promise<string> {
  const bytes = Uint8Array.from(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
