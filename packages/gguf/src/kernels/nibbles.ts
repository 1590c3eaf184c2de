/**
 * Repacks stored 4-bit codes as Q4_0 and Q5_0 without a byte for each code; the results are those of the tiles in
 * blocks-twin.ts.
 */
import type { LinearWeight, PackedNibbles } from "@requant/core/format";
import {
  descriptor,
  kernelAddress,
  kernelMemory,
  LIST_LENGTH,
  placeList,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "@requant/core/kernels";
import type { GgufViewType } from "../view/view-type.ts";
import { kernelOf } from "./module.ts";
import { SPAN, spanGroups } from "./spans.ts";

/** The fields of the class `NibbleTile` in assembly/packed-nibbles.ts. */
interface NibbleTile {
  readonly words: number;
  readonly wordStep: number;
  readonly rows: number;
  readonly blocks: number;
  readonly groups: number;
  readonly scales: number;
  readonly scaleStep: number;
  readonly zeros: number;
  readonly zeroStep: number;
  readonly out: number;
  readonly outStep: number;
  readonly stage: number;
  readonly stageByteLength: number;
}

const placeNibbleTile = /* @__PURE__ */ descriptor(
  ({
    words,
    wordStep,
    rows,
    blocks,
    groups,
    scales,
    scaleStep,
    zeros,
    zeroStep,
    out,
    outStep,
    stage,
    stageByteLength,
  }: NibbleTile) => [
    words,
    wordStep,
    rows,
    blocks,
    groups,
    scales,
    scaleStep,
    zeros,
    zeroStep,
    out,
    outStep,
    stage,
    stageByteLength,
  ],
);

/**
 * The rows that the kernels take at a time: their required multiple, and a number whose words are read in runs of many cache
 * lines while the blocks are still written in such runs, too.
 */
const ROWS = {
  columns: { start: 1, count: 4, most: 256 },
  rows: { start: 8, count: 32, most: 384 },
} as const;

/** Bytes behind the zero points that `reflectZeros` may change. */
const SPARE = 16;

/** The rows whose blocks were made. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Makes blocks of rows of `[rowStart, rowEnd)`; `out` is for all of these. Returns the rows that were made: none, or all
 * except a few at the start and the end that are too few for a kernel.
 */
export function nibblesToBlocks(
  type: GgufViewType,
  { rows, columns, nibbles }: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): RowRange {
  const nothing = { start: rowStart, end: rowStart };
  if (nibbles === undefined || !holds(type, nibbles)) return nothing;
  const { along, groupOfColumn } = nibbles;
  const kernel = kernelOf(`nibble${along === "columns" ? "Columns" : "Rows"}To${type.name}`);
  const words = kernelAddress(nibbles.words);
  const outAddress = kernelAddress(out);
  if (kernel === undefined || words === undefined) return nothing;
  if (columns === 0 || columns % SPAN !== 0 || columns / SPAN > LIST_LENGTH) return nothing;
  const { start: startMultiple, count: countMultiple, most } = ROWS[along];
  const start = Math.ceil(rowStart / startMultiple) * startMultiple;
  const end = start + countMultiple * Math.floor((rowEnd - start) / countMultiple);
  if (start >= end) return nothing;
  const groupCount = nibbles.scales.length / rows;
  const rowByteLength = (columns / type.blockSize) * type.blockByteLength;
  const parameterRows = Math.floor((TILE_BYTE_LENGTH - SPARE) / (3 * groupCount));
  const fitting = Math.min(
    most,
    parameterRows,
    outAddress === undefined ? Math.floor(TILE_BYTE_LENGTH / rowByteLength) : most,
  );
  const step = fitting - (fitting % countMultiple);
  const spans = spanGroups(groupOfColumn);
  if (spans === undefined || step === 0) return nothing;
  const isByColumns = along === "columns";
  const wordStep = isByColumns ? 4 * rows : rows / 2;
  const band = { rows, groupCount, needsZeros: type.name !== "Q4_0" };
  const groups = placeList(spans);
  let parameters: RowParameters | undefined;
  for (let row = start; row < end; row += step) {
    const count = Math.min(step, end - row);
    if (parameters === undefined || row + count > parameters.end) {
      parameters = placeParameters(nibbles, band, row, Math.min(end, row + parameterRows));
    }
    const { scales, zeros } = parameters;
    const to = (row - rowStart) * rowByteLength;
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + to;
    const tile = {
      words: words + (isByColumns ? 4 * row : row / 2),
      wordStep,
      rows: count,
      blocks: columns / SPAN,
      groups,
      scales: scales.address + 2 * (row - parameters.start),
      scaleStep: scales.step,
      zeros: zeros.address + row - parameters.start,
      zeroStep: zeros.step,
      out: outAt,
      outStep: rowByteLength,
      stage: tileOffset(0),
      stageByteLength: TILE_BYTE_LENGTH,
    };
    kernel(placeNibbleTile(tile));
    if (outAddress === undefined) {
      out.set(new Uint8Array(kernelMemory().buffer, outAt, count * rowByteLength), to);
    }
  }
  return { start, end };
}

/** Q4_0 has only the zero point 8. */
function holds({ name }: GgufViewType, { zeros }: PackedNibbles): boolean {
  return name === "Q5_0" || (name === "Q4_0" && zeros === 8);
}

/** One parameter of each row of each group; `step` bytes from group to group. */
interface Placed {
  readonly address: number;
  readonly step: number;
}

const NO_ZEROS: Placed = { address: 0, step: 0 };

/** Where the parameters of the rows `[start, end)` are. */
interface RowParameters extends RowRange {
  readonly scales: Placed;
  readonly zeros: Placed;
}

/** What does not change from row to row. */
interface Band {
  /** Rows of the weight. */
  readonly rows: number;
  readonly groupCount: number;
  readonly needsZeros: boolean;
}

/** For more rows than the kernels take at a time: each group costs a copy. */
function placeParameters(nibbles: PackedNibbles, band: Band, start: number, end: number): RowParameters {
  const scales = placeScales(nibbles, band, start, end);
  const zeros = band.needsZeros ? placeZeros(nibbles, band, start, end) : NO_ZEROS;
  return { start, end, scales, zeros };
}

function placeScales(
  { scales }: PackedNibbles,
  { rows, groupCount }: Band,
  start: number,
  end: number,
): Placed {
  const inside = kernelAddress(scales);
  if (inside !== undefined) return { address: inside + 2 * start, step: 2 * rows };
  const count = end - start;
  const address = tileOffset(2);
  const placed = new Uint16Array(kernelMemory().buffer, address, groupCount * count);
  for (let group = 0, from = start; group < groupCount; group++, from += rows) {
    placed.set(scales.subarray(from, from + count), group * count);
  }
  return { address, step: 2 * count };
}

function placeZeros(
  { zeros }: PackedNibbles,
  { rows, groupCount }: Band,
  start: number,
  end: number,
): Placed {
  const count = end - start;
  const address = tileOffset(2) + 2 * groupCount * count;
  const isOne = typeof zeros === "number";
  const placed = new Uint8Array(kernelMemory().buffer, address, isOne ? count : groupCount * count);
  if (isOne) placed.fill(zeros);
  else {
    for (let group = 0, from = start; group < groupCount; group++, from += rows) {
      placed.set(zeros.subarray(from, from + count), group * count);
    }
  }
  kernelOf("reflectZeros")?.(address, placed.length);
  return { address, step: isOne ? 0 : count };
}
