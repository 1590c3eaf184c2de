/** The SIMD twin of `numeric/float8-rows.ts`. */
import * as reference from "../numeric/float8-rows.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";

/** The fields of the class `E4m3Rows` in assembly/e4m3.ts. */
interface E4m3Rows {
  readonly codes: number;
  readonly out: number;
  readonly rows: number;
  readonly columns: number;
  readonly scales: number;
  readonly rowStep: number;
  readonly blockColumns: number;
}

const placeE4m3Rows = /* @__PURE__ */ descriptor(
  ({ codes, out, rows, columns, scales, rowStep, blockColumns }: E4m3Rows) => [
    codes,
    out,
    rows,
    columns,
    scales,
    rowStep,
    blockColumns,
  ],
);

/**
 * Rows of E4M3 codes times their scales, as f32: each product is rounded once.
 * @param codes whole rows of `columns` codes
 * @param out as many values as there are codes
 */
export function dequantizeE4m3(
  codes: Uint8Array,
  columns: number,
  scales: reference.RowScales,
  out: Float32Array,
): void {
  const kernel = coreKernels.kernel("dequantizeE4m3");
  const { rowStep, blockColumns } = scales;
  const blocks = Math.ceil(columns / blockColumns);
  const rows = codes.length / columns;
  const codesInside = kernelAddress(codes);
  const outInside = kernelAddress(out);
  const most = Math.min(
    rows,
    rowStep === 0 ? rows : Math.floor((SCRATCH_BYTE_LENGTH / 4 - blocks) / rowStep) + 1,
    codesInside === undefined ? Math.floor(TILE_BYTE_LENGTH / columns) : rows,
    outInside === undefined ? Math.floor(TILE_BYTE_LENGTH / (4 * columns)) : rows,
  );
  if (kernel === undefined || !(most > 0) || 4 * blocks > SCRATCH_BYTE_LENGTH) {
    reference.dequantizeE4m3(codes, columns, scales, out);
    return;
  }
  const { buffer } = kernelMemory();
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    const [start, end] = [row * columns, (row + count) * columns];
    const own = scales.values.subarray(row * rowStep, (row + count - 1) * rowStep + blocks);
    const isDone =
      placeScales(own) &&
      kernel(
        placeE4m3Rows({
          codes: codesInside === undefined ? loaded(codes.subarray(start, end)) : codesInside + start,
          out: outInside === undefined ? tileOffset(1) : outInside + 4 * start,
          rows: count,
          columns,
          scales: scratchOffset(2),
          rowStep,
          blockColumns,
        }),
      ) === 0;
    if (!isDone) {
      // a NaN, or a scale that is no finite number
      reference.dequantizeE4m3(
        codes.subarray(start, end),
        columns,
        { ...scales, values: own },
        out.subarray(start, end),
      );
    } else if (outInside === undefined) {
      out.set(new Float32Array(buffer, tileOffset(1), end - start), start);
    }
  }
}

function loaded(codes: Uint8Array): number {
  new Uint8Array(kernelMemory().buffer, tileOffset(0), codes.length).set(codes);
  return tileOffset(0);
}

/** False where a scale is no finite number: only the reference decides which NaN a product is. */
function placeScales(scales: Float32Array): boolean {
  for (let i = 0; i < scales.length; i++) if (!Number.isFinite(scales[i]!)) return false;
  new Float32Array(kernelMemory().buffer, scratchOffset(2), scales.length).set(scales);
  return true;
}
