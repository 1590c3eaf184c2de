/** A weight whose inputs a runtime transforms: the same as another weight, which is read as floats. */
import { type ErrorPlace, UnsupportedError } from "@requant/core";
import type { OpenableWeight, RowWeight } from "@requant/core/format";
import { foldHadamard, type InputTransform, isPowerOfTwo } from "./transforms.ts";

/** @throws UnsupportedError where a transform's size does not fit the columns */
export function openTransformed(
  weight: OpenableWeight,
  transforms: readonly InputTransform[],
  place: ErrorPlace,
): OpenableWeight {
  const { columns } = weight;
  const sizes = transforms.map(({ name, size = columns }) => {
    if (isPowerOfTwo(size) && columns % size === 0) return size;
    throw new UnsupportedError(
      `The transform "${name}" mixes ${size} of ${columns} columns; a power of two that divides the columns is supported.`,
      { ...place, hint: "Fold the transform into the weights with the compressed-tensors library first." },
    );
  });
  const names = transforms.map(({ name }) => `"${name}"`).join(", ");
  return {
    ...weight,
    label: `${weight.label}-hadamard`,
    examine(bytes) {
      return {
        ...weight.examine(bytes),
        facts: undefined,
        exactIn: [],
        noView: {
          reason: `the runtime multiplies its inputs with a Hadamard matrix (transform_config ${names}), so the effective weight has no codes`,
          hint: "A float type holds the effective weight.",
        },
      };
    },
    open(bytes, known): RowWeight {
      const stored = weight.open(bytes, known);
      return {
        rows: stored.rows,
        columns,
        dequantize(rowStart, rowEnd, out) {
          stored.dequantize(rowStart, rowEnd, out);
          for (const size of sizes) foldHadamard(out, size);
        },
      };
    },
  };
}
