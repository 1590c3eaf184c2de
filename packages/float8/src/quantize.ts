/** Floats to FP8 with a scale for each block, as transformers does it (integrations/finegrained_fp8.py, `Fp8Quantize`). */
import { ConversionError } from "@requant/core";
import { E4M3_MAX, floatToE4m3 } from "@requant/core/numeric";

const fround = Math.fround;

/** Blocks of a band of rows. */
export interface Float8Blocks {
  readonly columns: number;
  readonly blockRows: number;
  readonly blockColumns: number;
  /** True: scales are powers of two. */
  readonly powersOfTwo: boolean;
}

/** What codes are made with, and what they are multiplied by to read them. */
interface Scaling {
  readonly quantize: number;
  readonly scale: number;
}

const NO_SCALING: Scaling = { quantize: 1, scale: 1 };

/**
 * Whole blocks of rows, to nearest, ties to even.
 * @param codes as many as there are values
 * @param scales `scales[block row × blocks across + block]`
 * @throws ConversionError for weights that are not finite
 */
export function quantizeFloat8(
  values: Float32Array,
  blocks: Float8Blocks,
  codes: Uint8Array,
  scales: Float32Array,
): void {
  const { columns, blockRows, blockColumns, powersOfTwo } = blocks;
  const rows = values.length / columns;
  let at = 0;
  for (let row = 0; row < rows; row += blockRows) {
    const rowEnd = Math.min(row + blockRows, rows);
    for (let column = 0; column < columns; column += blockColumns, at++) {
      const block = { row, rowEnd, column, columnEnd: Math.min(column + blockColumns, columns) };
      const scaling = scalingOf(largestIn(values, columns, block), powersOfTwo);
      scales[at] = scaling.scale;
      writeCodes(values, columns, block, scaling.quantize, codes);
    }
  }
}

interface Block {
  readonly row: number;
  readonly rowEnd: number;
  readonly column: number;
  readonly columnEnd: number;
}

function largestIn(values: Float32Array, columns: number, { row, rowEnd, column, columnEnd }: Block): number {
  let largest = 0;
  for (let r = row; r < rowEnd; r++) {
    for (let i = r * columns + column; i < r * columns + columnEnd; i++) {
      const size = Math.abs(values[i]!);
      if (!Number.isFinite(size)) {
        throw new ConversionError(
          `Row ${r} has a weight that is ${values[i]}; only finite weights can be quantized.`,
          { hint: "Keep this tensor in a float type.", index: i },
        );
      }
      if (size > largest) largest = size;
    }
  }
  return largest;
}

function scalingOf(largest: number, powersOfTwo: boolean): Scaling {
  // PyTorch divides a number by a tensor in two steps: it multiplies the number by the rounded reciprocal
  const quantize = largest === 0 ? 1 : fround(fround(1 / largest) * E4M3_MAX);
  // numbers near the smallest f32 would need a larger factor than there is
  if (!Number.isFinite(quantize)) return NO_SCALING;
  const scale = fround(1 / quantize);
  if (!powersOfTwo) return { quantize, scale };
  const power = powerFrom(scale);
  return { quantize: fround(1 / power), scale: power };
}

/** The power of two that is not less than a number, as far as the tool's log2 in f32 tells; 2^-126 at least. */
function powerFrom(value: number): number {
  return 2 ** Math.max(Math.ceil(fround(Math.log2(value))), -126);
}

function writeCodes(
  values: Float32Array,
  columns: number,
  { row, rowEnd, column, columnEnd }: Block,
  quantize: number,
  codes: Uint8Array,
): void {
  for (let r = row; r < rowEnd; r++) {
    for (let i = r * columns + column; i < r * columns + columnEnd; i++) {
      codes[i] = floatToE4m3(fround(values[i]! * quantize));
    }
  }
}
