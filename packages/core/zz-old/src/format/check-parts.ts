import { type ErrorPlace, FormatError } from "../errors.ts";
import { findPart, type LinearLayout, type LinearPart } from "./linear-codec.ts";

/**
 * Compares parts with those that a layout stores.
 * @throws FormatError that names the first part that is missing, or has another encoding or shape
 */
export function checkParts(
  parts: readonly LinearPart[],
  expected: readonly LinearPart[],
  { rows, columns }: LinearLayout,
  place: ErrorPlace = {},
): void {
  for (const one of expected) {
    const { suffix, encoding, shape } = findPart(parts, one.suffix, place);
    if (encoding === one.encoding && shape.join() === one.shape.join()) continue;
    throw new FormatError(
      `The part ${suffix} is ${encoding} [${shape.join(", ")}]; ${one.encoding} [${one.shape.join(", ")}] was expected for a weight of [${rows}, ${columns}].`,
      place,
    );
  }
}

/** The floats of a part as they are. @throws FormatError that names the first number that is not finite */
export function finiteFloats(floats: Float32Array, suffix: string, place: ErrorPlace = {}): Float32Array {
  const bad = floats.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return floats;
  throw new FormatError(`Number ${bad} of the part ${suffix} is ${floats[bad]}; it must be finite.`, place);
}
