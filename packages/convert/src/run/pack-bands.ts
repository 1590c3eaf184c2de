/** The bands in which a weight is packed, and memory for one of them. */
import { rowCount, type StoreAddress } from "@requant/core";
import type { WeightEncoder } from "@requant/core/format";
import type { Model } from "../model/model.ts";
import { type RowBand, rowBands } from "../model/row-bands.ts";
import type { BandOptions } from "../model/weight-source.ts";

export type Bands = readonly RowBand[];

/** f32 bytes of a band of a file on a disk: several are in memory at a time, beside all parts of the weight. */
const BAND_BYTE_LENGTH = 1024 * 1024;

/** False where reading often, or again, costs requests to a server, or may; or where each reading adds the update of an adapter. */
export function isReadAtLowCost({ origin, merged }: Pick<Model, "origin" | "merged">): boolean {
  return merged === undefined && isLocal(origin?.store.address);
}

function isLocal(address: StoreAddress | undefined): boolean {
  if (address?.kind === "layers") return address.layers.every(isLocal);
  return address?.kind === "directory" || address?.kind === "blobs";
}

/** Bands that begin where the encoder can begin, and end with each matrix of a stack. */
export function packingBands(
  model: Model,
  shape: readonly number[],
  { rowMultiple: multiple }: Pick<WeightEncoder, "rowMultiple">,
  { bandByteLength }: BandOptions,
): Bands {
  const byteLength = isReadAtLowCost(model) ? Math.min(bandByteLength, BAND_BYTE_LENGTH) : bandByteLength;
  const count = rowCount(shape);
  const perMatrix = shape.length > 2 ? (shape.at(-2) ?? count) : count;
  const step = perMatrix % multiple === 0 ? perMatrix : count;
  const bands: RowBand[] = [];
  for (let start = 0; start < count; start += step) {
    for (const band of rowBands(shape, { byteLength, multiple, rows: { start, end: start + step } }))
      bands.push(band);
  }
  return bands;
}

/** Memory for the values of one band after the other. */
export interface FloatRoom {
  /** For a band; what the last one had there is lost. */
  of(start: number, end: number): Float32Array;
  /** Gives the memory to the next weight. */
  release(): void;
}

/** Memory that no weight uses at the moment: as much as is used at a time, and freed only with the thread. */
const spare: Float32Array[] = [];

/** The memory is taken for the first band that asks. */
function floatRoom(bands: Bands, columns: number): FloatRoom {
  let room: Float32Array | undefined;
  return {
    of(start, end) {
      if (room === undefined) {
        let most = 0;
        for (const band of bands) most = Math.max(most, band.end - band.start);
        const last = spare.pop();
        room = last !== undefined && last.length >= most * columns ? last : new Float32Array(most * columns);
      }
      return room.subarray(0, (end - start) * columns);
    },
    release() {
      if (room !== undefined) spare.push(room);
      room = undefined;
    },
  };
}

/** Calls `use` with memory for two streams of values, and releases it. */
export async function withRooms<T>(
  bands: Bands,
  columns: number,
  use: (one: FloatRoom, other: FloatRoom) => Promise<T>,
): Promise<T> {
  const rooms = [floatRoom(bands, columns), floatRoom(bands, columns)] as const;
  try {
    return await use(...rooms);
  } finally {
    for (const room of rooms) room.release();
  }
}
