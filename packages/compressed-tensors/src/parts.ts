/** Shapes of stored parts, and parts that say nothing about the weights. */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";

/** Sizes of a part that must be a matrix. @throws FormatError for another shape, and for another encoding where one is given */
export function matrixShape(
  part: LinearPart,
  encoding: string | undefined,
  place: ErrorPlace,
): [rows: number, columns: number] {
  const [outer, inner] = part.shape;
  if (part.shape.length !== 2 || !outer || !inner || (encoding !== undefined && part.encoding !== encoding)) {
    throw new FormatError(
      `The part ${part.suffix} is ${part.encoding} [${part.shape.join(", ")}]; ${encoding ?? "floats"} in a matrix were expected.`,
      place,
    );
  }
  return [outer, inner];
}

/**
 * Scales and zero points of activations and of the key-value cache: a runtime that quantizes these reads them. The weights
 * do not depend on them.
 */
export const ACTIVATION_PARTS: readonly string[] = [
  "input_scale",
  "input_zero_point",
  "input_global_scale",
  "output_scale",
  "output_zero_point",
  "output_global_scale",
];
