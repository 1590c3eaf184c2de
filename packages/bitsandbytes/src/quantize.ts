/** Floats to NF4, as bitsandbytes rounds them (bitsandbytes, backends/default/ops.py: `quantize_4bit`). */
import { ConversionError, UsageError } from "@requant/core";
import { findPart, type PartBytes, partBytes, writeWords } from "@requant/core/format";
import { blockCount, type FourBitLayout, partsOf } from "./layout.ts";
import { type PlainState, serializeQuantState } from "./quant-state.ts";
import { dynamicMap, NF4_VALUES } from "./tables.ts";

const fround = Math.fround;

/** The smallest number that a block is divided by. */
const LEAST_SCALE = fround(1e-38);

/** Halfway between neighbours of a table that rises, as f32. */
function middlesOf(table: Float32Array): Float32Array {
  return Float32Array.from(table.subarray(1), (value, i) => fround(fround(value + table[i]!) / 2));
}

const NF4_MIDDLES = middlesOf(NF4_VALUES);

/** The place of the value of a table that is nearest; of two the lower one. */
function nearest(middles: Float32Array, value: number): number {
  let [low, high] = [0, middles.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (middles[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows that bands of rows begin at multiples of, so that each begins with a block. */
export function blockRows({ columns, blockSize }: Pick<FourBitLayout, "columns" | "blockSize">): number {
  let [a, b] = [blockSize, columns];
  while (b > 0) [a, b] = [b, a % b];
  return blockSize / a;
}

/**
 * Writes rows of floats, `rowStart` on, into the parts of a layout without nested scales. `rowStart` is a multiple of
 * `blockRows`.
 * @throws ConversionError for a weight that is not finite
 */
export function packNf4Rows(
  layout: FourBitLayout,
  values: Float32Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const { blockSize, columns } = layout;
  if (layout.nestedBlockSize > 0) {
    throw new UsageError(
      "Nested scales are chosen from all scales of a weight, so rows cannot be packed alone.",
    );
  }
  const part = partsIn(layout, bytes);
  const start = rowStart * columns;
  const scales = new Float32Array(Math.ceil(values.length / blockSize));
  quantizeBlocks(values, layout, start, scales, part("weight"));
  writeFloats(part("weight.absmax"), scales, Math.floor(start / blockSize));
  if (rowStart > 0) return;
  writeFloats(part("weight.quant_map"), NF4_VALUES, 0);
  writeState(layout, 0, part);
}

/**
 * A whole weight of floats, packed, with or without nested scales.
 * @throws ConversionError for a weight that is not finite
 */
export function packNf4Whole(layout: FourBitLayout, values: Float32Array, bytes: PartBytes): void {
  const { nestedBlockSize } = layout;
  if (nestedBlockSize === 0) {
    packNf4Rows(layout, values, 0, bytes);
    return;
  }
  const part = partsIn(layout, bytes);
  const scales = new Float32Array(blockCount(layout));
  quantizeBlocks(values, layout, 0, scales, part("weight"));
  writeFloats(part("weight.quant_map"), NF4_VALUES, 0);
  const map = dynamicMap();
  const { absmax, offset } = quantizeScales(scales, map, nestedBlockSize, part("weight.absmax"));
  writeFloats(part("weight.nested_absmax"), absmax, 0);
  writeFloats(part("weight.nested_quant_map"), map, 0);
  writeState(layout, offset, part);
}

function partsIn(layout: FourBitLayout, bytes: PartBytes): (suffix: string) => Uint8Array {
  return (suffix) => partBytes(bytes, findPart(partsOf(layout), suffix));
}

function writeState(layout: FourBitLayout, nestedOffset: number, part: (suffix: string) => Uint8Array): void {
  const state: PlainState = layout;
  const bytes = serializeQuantState({ ...state, nestedOffset }, layout.stateLength);
  part(`weight.quant_state.bitsandbytes__${layout.kind}`).set(bytes);
}

function writeFloats(bytes: Uint8Array, floats: Float32Array, at: number): void {
  const words = writeWords(bytes, 32);
  words.set(new Uint32Array(floats.buffer, floats.byteOffset, floats.length), at);
}

/** Codes and scales of the weights from `start` on in the flattened weight, where a block begins. */
function quantizeBlocks(
  values: Float32Array,
  { rows, columns, blockSize }: FourBitLayout,
  start: number,
  scales: Float32Array,
  codes: Uint8Array,
): void {
  const end = rows * columns;
  for (let block = 0, at = 0; at < values.length; block++) {
    const stop = Math.min(values.length, at + blockSize);
    const most = largestMagnitude(values, at, stop, start);
    const bounded = Math.max(most, LEAST_SCALE);
    // the tool divides the weights of a short block, and multiplies those of others by the reciprocal
    const isShort = stop - at < blockSize && start + stop === end;
    const inverse = fround(1 / bounded);
    scales[block] = isShort ? bounded : most;
    for (; at < stop; at++) {
      const value = values[at]!;
      const scaled = isShort ? fround(value / bounded) : fround(value * inverse);
      const code = nearest(NF4_MIDDLES, Math.min(1, Math.max(-1, scaled)));
      const place = Math.floor((start + at) / 2);
      codes[place] = (start + at) % 2 === 0 ? code << 4 : codes[place]! | code;
    }
  }
  // the tool fills half a byte with the code of 0
  if (end % 2 === 1 && start + values.length === end) {
    codes[Math.floor(end / 2)]! |= nearest(NF4_MIDDLES, 0);
  }
}

function largestMagnitude(values: Float32Array, from: number, to: number, start: number): number {
  let most = 0;
  for (let at = from; at < to; at++) {
    const magnitude = Math.abs(values[at]!);
    if (!(magnitude < Infinity)) {
      throw new ConversionError(`A weight is ${values[at]}, which NF4 cannot hold.`, { index: start + at });
    }
    if (magnitude > most) most = magnitude;
  }
  return most;
}

/** Scales minus their mean, as 8-bit codes. */
function quantizeScales(
  scales: Float32Array,
  map: Float32Array,
  blockSize: number,
  codes: Uint8Array,
): { readonly absmax: Float32Array; readonly offset: number } {
  let sum = 0;
  for (const scale of scales) sum += scale;
  const offset = fround(sum / scales.length);
  const middles = middlesOf(map);
  const absmax = new Float32Array(Math.ceil(scales.length / blockSize));
  for (let block = 0; block < absmax.length; block++) {
    const own = scales.subarray(block * blockSize, (block + 1) * blockSize).map((scale) => scale - offset);
    const most = largestMagnitude(own, 0, own.length, 0);
    const bounded = Math.max(most, LEAST_SCALE);
    absmax[block] = most;
    own.forEach((value, i) => {
      codes[block * blockSize + i] = nearest(middles, fround(value / bounded));
    });
  }
  return { absmax, offset };
}
