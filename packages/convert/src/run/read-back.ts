import { checksum } from "./checksum-twin.ts";
import type { Piece } from "./pieces.ts";
import type { WorkArea } from "./work-area.ts";

/** Fills `target` with the bytes that the output has at the place of a piece. */
export type ReadBack = (piece: Piece, target: Uint8Array) => Promise<void>;

/** Checksums of the bytes that the output has at the places of the pieces, read into the area's "out" memory. */
export async function checksumsOf(
  pieces: readonly Piece[],
  readBack: ReadBack,
  area: WorkArea,
  signal?: AbortSignal,
): Promise<string[]> {
  const sums: string[] = [];
  for (const piece of pieces) {
    signal?.throwIfAborted();
    await readBack(piece, area.bytes("out", 0, piece.byteLength));
    sums.push(checksum(area.bytes("out", 0, piece.byteLength)));
  }
  return sums;
}
