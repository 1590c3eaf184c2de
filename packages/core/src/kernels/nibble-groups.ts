/** Four-bit codes as f32 by a kernel: levels are looked up byte by byte, while the codes are still packed. */
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
  readonly biases: number;
  readonly planes: number;
  readonly out: number;
}

const placeNibbleGroups = /* @__PURE__ */ descriptor(
  ({ codes, groups, groupSize, scales, biases, planes, out }: NibbleGroups) => [
    codes,
    groups,
    groupSize,
    scales,
    biases,
    planes,
    out,
  ],
);

/** What the kernel takes of a weight. */
export interface NibbleNumbers {
  readonly columns: number;
  /** Columns of each group; undefined: they differ. */
  readonly groupSize: number | undefined;
  /** The sixteen levels; undefined: each code is its own level. */
  readonly levels: Float32Array | undefined;
  /** `scales[row × groups + group]`. */
  readonly scales: Float32Array;
  readonly biases?: Float32Array | undefined;
}

const INTEGERS: Float32Array = /* @__PURE__ */ Float32Array.from({ length: 16 }, (_, code) => code);

/** The rows of `out` from `rowStart` on; false where there is no kernel for them. */
export function dequantizeNibbles(
  { columns, groupSize, levels = INTEGERS, scales, biases }: NibbleNumbers,
  bytes: Uint8Array,
  rowStart: number,
  out: Float32Array,
): boolean {
  const kernel = coreKernels.kernel("dequantizeNibbles");
  const most = Math.floor(TILE_BYTE_LENGTH / (4 * columns));
  if (kernel === undefined || most === 0 || groupSize === undefined) return false;
  if (groupSize % STEP !== 0 || columns % groupSize !== 0 || levels.length !== 16) return false;
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
    const numbers = new Float32Array(buffer, tileOffset(2), 2 * groups);
    numbers.set(scales.subarray(firstGroup, firstGroup + groups));
    if (biases !== undefined) numbers.set(biases.subarray(firstGroup, firstGroup + groups), groups);
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
        biases: biases === undefined ? 0 : tileOffset(2) + 4 * groups,
        planes,
        out: outAt,
      }),
    );
    if (outAddress === undefined) out.set(new Float32Array(buffer, outAt, count * columns), row * columns);
  }
  return true;
}

/** The last levels and their bytes: those of one weight are placed again and again. */
let lastLevels: Float32Array | undefined;
const lastPlanes = /* @__PURE__ */ new Uint8Array(64);

/** The levels as four rows of sixteen bytes: the first bytes of all, the second bytes, and so on. */
function placePlanes(levels: Float32Array): number {
  if (levels !== lastLevels) {
    const bits = new Uint32Array(levels.slice().buffer);
    for (let code = 0; code < 16; code++) {
      for (let byte = 0; byte < 4; byte++) lastPlanes[16 * byte + code] = bits[code]! >>> (8 * byte);
    }
    lastLevels = levels;
  }
  const at = scratchOffset(2);
  new Uint8Array(kernelMemory().buffer, at, lastPlanes.length).set(lastPlanes);
  return at;
}
