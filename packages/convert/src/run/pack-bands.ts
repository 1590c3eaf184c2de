/** The bands in which a weight is packed, and memory for one of them. */
import { rowCount } from "@requant/core";
import { type RowBand, rowBands } from "../model/row-bands.ts";

export type Bands = readonly RowBand[];

/** Bands that begin where the encoder can begin, and end with each matrix of a stack. */
export function* bandsOf(shape: readonly number[], multiple: number, byteLength: number): Generator<RowBand> {
  const count = rowCount(shape);
  const perMatrix = shape.length > 2 ? (shape.at(-2) ?? count) : count;
  const step = perMatrix % multiple === 0 ? perMatrix : count;
  for (let start = 0; start < count; start += step) {
    yield* rowBands(shape, { byteLength, multiple, rows: { start, end: start + step } });
  }
}

/** Memory for the values of one band after the other. It is made for the first one that asks. */
export function floatRoom(bands: Bands, columns: number): (start: number, end: number) => Float32Array {
  let room: Float32Array | undefined;
  return (start, end) => {
    if (room === undefined) {
      let most = 0;
      for (const band of bands) most = Math.max(most, band.end - band.start);
      room = new Float32Array(most * columns);
    }
    return room.subarray(0, (end - start) * columns);
  };
}
