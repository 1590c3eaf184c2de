/**
 * The order in which EETQ stores codes, for the tensor cores of GPUs from Turing on (compute capability 7.5 to 8.9).
 *
 * Rows of W are stored in pairs: 64 columns of the first, 64 of the second, the next 64 of the first, and so on. Of each
 * 16 columns, those with the numbers 0 1 8 9 2 3 10 11 4 5 12 13 6 7 14 15 follow each other; in each four bytes the
 * second and the third are exchanged.
 */

/** Columns that stand together. */
export const TILE = 64;

/** Columns that are permuted together. */
const GROUP = 16;

/** Where each byte of four is. */
const EXCHANGED: readonly number[] = [0, 2, 1, 3];

/** `PLACE_IN_TILE[column]`: the byte of a tile that holds a column. */
export const PLACE_IN_TILE: Uint8Array = placesInTile();

function placesInTile(): Uint8Array {
  const places = new Uint8Array(TILE);
  for (let place = 0; place < TILE; place++) {
    const inGroup = place % GROUP;
    const column = 8 * Math.floor((inGroup % 4) / 2) + (inGroup % 2) + 2 * Math.floor(inGroup / 4);
    const word = place - (place % 4);
    places[place - inGroup + column] = word + EXCHANGED[place % 4]!;
  }
  return places;
}
