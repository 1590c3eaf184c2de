/** The largest magnitudes of weights. */
import { ConversionError } from "@requant/core";

/** A rectangle of a band of rows. */
export interface Rectangle {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly columnStart: number;
  readonly columnEnd: number;
}

/** @throws ConversionError for a weight that is not finite; its `index` is the weight's in `values` */
export function largestMagnitude(
  values: Float32Array,
  columns: number,
  { rowStart, rowEnd, columnStart, columnEnd }: Rectangle,
): number {
  let largest = 0;
  for (let row = rowStart; row < rowEnd; row++) {
    for (let i = row * columns + columnStart; i < row * columns + columnEnd; i++) {
      const magnitude = Math.abs(values[i]!);
      // written so that NaN is caught
      if (!(magnitude < Number.POSITIVE_INFINITY)) {
        throw new ConversionError(
          `Row ${row} has a weight that is ${values[i]}; only finite weights can be quantized.`,
          { hint: "Keep this tensor in a float type.", index: i },
        );
      }
      if (magnitude > largest) largest = magnitude;
    }
  }
  return largest;
}

/** @throws ConversionError for a scale that its type does not hold */
export function checkScale(scale: number, encoding: string, row: number, index: number): void {
  if (Number.isFinite(scale)) return;
  throw new ConversionError(`Row ${row} has weights that are too large for a scale in ${encoding}.`, {
    hint: "Keep this tensor in a float type.",
    index,
  });
}
