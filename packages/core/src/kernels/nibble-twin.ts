/** The SIMD twin of `view/nibble-weight.ts`: levels are looked up byte by byte, while the codes are still packed. */
import { checkRows, checkValueCount } from "../view/integer-view.ts";
import * as reference from "../view/nibble-weight.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { kernelAddress, kernelMemory, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";

/** Columns that the kernel does at a time. */
const STEP = 16;

/** The fields of the class `NibbleGroups` in assembly/nibbles.ts. */
interface NibbleGroups {
  readonly codes: number;
  readonly groups: number;
  readonly groupSize: number;
  readonly scales: number;
  readonly planes: number;
  readonly out: number;
}

const placeNibbleGroups = /* @__PURE__ */ descriptor(
  ({ codes, groups, groupSize, scales, planes, out }: NibbleGroups) => [
    codes,
    groups,
    groupSize,
    scales,
    planes,
    out,
  ],
);

/**
 * An opened weight of four-bit codes, two in a byte with the even column in the low bits, each row in bytes of its own: MXFP4
 * and NVFP4 as most tools store them. value = scale × level[code].
 * @throws UsageError when the sizes do not belong together
 */
export function nibbleLevelWeight(
  parameters: reference.NibbleParameters,
  bytes: Uint8Array,
): reference.NibbleWeight {
  const weight = reference.nibbleLevelWeight(parameters, bytes);
  return {
    ...weight,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, weight.rows);
      checkValueCount(rowEnd - rowStart, weight.columns, out.length);
      if (!dequantizeInKernel(parameters, bytes, rowStart, out)) weight.dequantize(rowStart, rowEnd, out);
    },
  };
}

/** The rows of `out` from `rowStart` on; false where there is no kernel for them. */
function dequantizeInKernel(
  { columns, groupSize, levels, scales }: reference.NibbleParameters,
  bytes: Uint8Array,
  rowStart: number,
  out: Float32Array,
): boolean {
  const kernel = coreKernels.kernel("dequantizeNibbles");
  const most = Math.floor(TILE_BYTE_LENGTH / (4 * columns));
  if (kernel === undefined || most === 0 || groupSize % STEP !== 0) return false;
  const { buffer } = kernelMemory();
  const rows = out.length / columns;
  const groupCount = columns / groupSize;
  const planes = placePlanes(levels);
  const codesAddress = kernelAddress(bytes);
  const outAddress = kernelAddress(out);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    const from = ((rowStart + row) * columns) / 2;
    const firstGroup = (rowStart + row) * groupCount;
    const groups = count * groupCount;
    new Float32Array(buffer, tileOffset(2), groups).set(scales.subarray(firstGroup, firstGroup + groups));
    if (codesAddress === undefined) {
      const part = bytes.subarray(from, from + (count * columns) / 2);
      new Uint8Array(buffer, tileOffset(0), part.length).set(part);
    }
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + 4 * row * columns;
    kernel(
      placeNibbleGroups({
        codes: codesAddress === undefined ? tileOffset(0) : codesAddress + from,
        groups,
        groupSize,
        scales: tileOffset(2),
        planes,
        out: outAt,
      }),
    );
    if (outAddress === undefined) out.set(new Float32Array(buffer, outAt, count * columns), row * columns);
  }
  return true;
}

/** The levels as four rows of sixteen bytes: the first bytes of all, the second bytes, and so on. */
function placePlanes(levels: Float32Array): number {
  const { buffer } = kernelMemory();
  const planes = new Uint8Array(buffer, scratchOffset(2), 64);
  const bits = new Uint32Array(levels.slice().buffer);
  for (let code = 0; code < 16; code++) {
    for (let byte = 0; byte < 4; byte++) planes[16 * byte + code] = bits[code]! >>> (8 * byte);
  }
  return scratchOffset(2);
}
