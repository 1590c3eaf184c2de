/** The SIMD twin of `squaredOutput`: sixteen rows at a time, a lane for each. */
import * as reference from "../solve/quadratic-form.ts";
import type { Kernel } from "./module.ts";
import { instantiate, PAGE, STATIC_BYTE_LENGTH, TILE_ROWS } from "./solve-memory.ts";
import { kernelsAreInstalled } from "./switch.ts";

/** Below this many rows most lanes would be empty. */
const LEAST_ROWS = 4;
/** Rows of changes in memory at a time. */
const CHUNK_ROWS = 128;
/** Rows of moments in memory at a time. */
const BAND = 64;

interface ProductMemory {
  readonly buffer: ArrayBuffer;
  readonly kernel: Kernel;
}

/** The last one, which the next call with changes of that size uses again. */
let kept: ProductMemory | undefined;

function memoryOf(byteLength: number): ProductMemory | undefined {
  if (!kernelsAreInstalled()) return undefined;
  if (kept !== undefined && kept.buffer.byteLength >= byteLength) return kept;
  const made = instantiate(Math.ceil(byteLength / PAGE));
  if (made === undefined) return undefined;
  kept = { buffer: made.buffer, kernel: made.exports["productsBehind"] as Kernel };
  return kept;
}

/** As the reference, with the kernel. */
export const squaredOutput: reference.SquaredOutput = (
  difference,
  inputs,
  start = 0,
  end = inputs.columns,
) => {
  const width = end - start;
  const rows = difference.length / width;
  const tileLength = TILE_ROWS * width;
  const chunkTiles = Math.ceil(Math.min(rows, CHUNK_ROWS) / TILE_ROWS);
  const bandAt = STATIC_BYTE_LENGTH + 4 * chunkTiles * tileLength;
  const productsAt = bandAt + 4 * BAND * width;
  const memory = rows < LEAST_ROWS ? undefined : memoryOf(productsAt + 4 * BAND * TILE_ROWS);
  if (memory === undefined) return reference.squaredOutput(difference, inputs, start, end);
  const { buffer, kernel } = memory;
  const { columns, moments } = inputs;
  const changes = new Float32Array(buffer, STATIC_BYTE_LENGTH, chunkTiles * tileLength);
  const band = new Float32Array(buffer, bandAt, BAND * width);
  const products = new Float32Array(buffer, productsAt, BAND * TILE_ROWS);
  const sums = new Float64Array(rows);
  for (let chunk = 0; chunk < rows; chunk += CHUNK_ROWS) {
    const last = Math.min(rows, chunk + CHUNK_ROWS);
    spread(difference.subarray(chunk * width, last * width), width, changes);
    for (let first = 0; first < width; first += BAND) {
      const count = Math.min(BAND, width - first);
      for (let i = 0; i < count; i++) {
        const at = (start + first + i) * columns + start;
        band.set(moments.subarray(at, at + width), i * width);
      }
      for (let tile = chunk, at = 0; tile < last; tile += TILE_ROWS, at += tileLength) {
        kernel(bandAt, STATIC_BYTE_LENGTH + 4 * at, width, first, count, productsAt);
        const lanes = Math.min(TILE_ROWS, last - tile);
        for (let i = 0; i < count; i++) {
          const moment = band[i * width + first + i]!;
          const from = at + (first + i) * TILE_ROWS;
          for (let lane = 0; lane < lanes; lane++) {
            const rest = products[i * TILE_ROWS + lane]!;
            sums[tile + lane]! += reference.ownPart(changes[from + lane]!, moment, rest);
          }
        }
      }
    }
  }
  return reference.total(sums);
};

/**
 * The squared error of a layer's output, mean over tokens and summed over rows, where `changed` replaces `values`; both
 * [rows, columns], row-major. `squaredOutput` of the values themselves is the mean square of the output.
 */
export function outputError(
  values: Float32Array,
  changed: Float32Array,
  inputs: reference.ChangedInputs,
): number {
  const difference = new Float32Array(values.length);
  for (let i = 0; i < difference.length; i++) difference[i] = values[i]! - changed[i]!;
  return squaredOutput(difference, inputs);
}

/** Rows as tiles that lie column by column; lanes without a row get zeros. */
function spread(from: Float32Array, width: number, to: Float32Array): void {
  const rows = from.length / width;
  for (let tile = 0, at = 0; tile < rows; tile += TILE_ROWS, at += TILE_ROWS * width) {
    const lanes = Math.min(TILE_ROWS, rows - tile);
    if (lanes < TILE_ROWS) to.fill(0, at, at + TILE_ROWS * width);
    for (let lane = 0; lane < lanes; lane++) {
      const own = (tile + lane) * width;
      for (let i = 0; i < width; i++) to[at + i * TILE_ROWS + lane] = from[own + i]!;
    }
  }
}
