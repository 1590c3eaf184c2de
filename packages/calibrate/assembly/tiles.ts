/**
 * Work that threads share: each takes the number of the next tile from a counter in memory until there is none left. No
 * bit of a result depends on which thread made it, nor on the size of the tiles.
 */
import { ATTENTION_SCRATCH } from "./attention";
import { multiplyBlock } from "./block";
import { LEFT, RIGHT, STEPS } from "./multiply";
import { packColumns, packRows } from "./pack";

/** Rows of a left block: with the steps of a block, 128 KiB. */
const LEFT_BLOCK: i32 = 128;

/** Rows of a right block at most: 256 KiB. */
const RIGHT_BLOCK: i32 = 256;

/** Bytes of scratch that each thread needs. */
export function scratchByteLength(): i32 {
  return max(4 * STEPS * (LEFT_BLOCK + RIGHT_BLOCK) + 128, ATTENTION_SCRATCH);
}

/**
 * out[m, n] = left[m, k] × right[n, k]ᵀ. The fields of this class are those of `placeProduct` in src/compute/tasks.ts,
 * in the same order.
 */
@unmanaged
class ProductTask {
  /** i32: the next tile. */
  counter: usize;
  left: usize;
  right: usize;
  out: usize;
  m: i32;
  n: i32;
  k: i32;
  /** Numbers from row to row of out. */
  outStride: i32;
  /** Rows and columns of a tile of out; the columns are at most 256. */
  tileRows: i32;
  tileColumns: i32;
}

/** Makes tiles of a product until none is left. */
export function product(task: ProductTask, scratch: usize): void {
  const counter = task.counter;
  const m = task.m;
  const n = task.n;
  const tileRows = task.tileRows;
  const tileColumns = task.tileColumns;
  const across = (n + tileColumns - 1) / tileColumns;
  const tiles = across * ((m + tileRows - 1) / tileRows);
  for (let tile = atomic.add<i32>(counter, 1); tile < tiles; tile = atomic.add<i32>(counter, 1)) {
    const row = (tile / across) * tileRows;
    const column = (tile % across) * tileColumns;
    productTile(task, scratch, row, min(row + tileRows, m), column, min(column + tileColumns, n));
  }
}

function productTile(task: ProductTask, scratch: usize, row: i32, rowEnd: i32, column: i32, columnEnd: i32): void {
  const k = task.k;
  const stride = 4 * <usize>k;
  const outStride = 4 * <usize>task.outStride;
  const right = scratch + 4 * STEPS * LEFT_BLOCK;
  const edge = right + 4 * STEPS * RIGHT_BLOCK;
  const columns = columnEnd - column;
  for (let step = 0; step < k; step += STEPS) {
    const steps = min(STEPS, k - step);
    packRows(task.right + stride * <usize>column + 4 * <usize>step, stride, columns, RIGHT, steps, right);
    for (let block = row; block < rowEnd; block += LEFT_BLOCK) {
      const rows = min(LEFT_BLOCK, rowEnd - block);
      packRows(task.left + stride * <usize>block + 4 * <usize>step, stride, rows, LEFT, steps, scratch);
      const out = task.out + outStride * <usize>block + 4 * <usize>column;
      multiplyBlock(scratch, right, steps, rows, columns, out, outStride, step > 0, edge);
    }
  }
}

/**
 * sums[columns, columns] += xᵀ x for x[tokens, columns], the part at and above the diagonal. The fields of this class are
 * those of `placeMoments` in src/compute/tasks.ts, in the same order.
 */
@unmanaged
class MomentsTask {
  /** i32: the next tile. */
  counter: usize;
  x: usize;
  sums: usize;
  tokens: i32;
  columns: i32;
  /** The rows of sums that are in memory: sums is [bandEnd - band, columns]. */
  band: i32;
  bandEnd: i32;
  /** Rows and columns of a tile of sums, at most 256. */
  tileSize: i32;
}

/** Adds tiles of second moments until none is left. */
export function moments(task: MomentsTask, scratch: usize): void {
  const counter = task.counter;
  const size = task.tileSize;
  const columns = task.columns;
  const bandEnd = task.bandEnd;
  let tile = atomic.add<i32>(counter, 1);
  let before = 0;
  for (let row = task.band; row < bandEnd; row += size) {
    const across = (columns - row + size - 1) / size;
    while (tile < before + across) {
      const column = row + (tile - before) * size;
      momentsTile(task, scratch, row, min(row + size, bandEnd), column, min(column + size, columns));
      tile = atomic.add<i32>(counter, 1);
    }
    before += across;
  }
}

function momentsTile(task: MomentsTask, scratch: usize, row: i32, rowEnd: i32, column: i32, columnEnd: i32): void {
  const x = task.x;
  const tokens = task.tokens;
  const stride = 4 * <usize>task.columns;
  const right = scratch + 4 * STEPS * LEFT_BLOCK;
  const edge = right + 4 * STEPS * RIGHT_BLOCK;
  for (let token = 0; token < tokens; token += STEPS) {
    const steps = min(STEPS, tokens - token);
    const from = x + stride * <usize>token;
    packColumns(from + 4 * <usize>column, stride, columnEnd - column, RIGHT, steps, right);
    for (let block = row; block < rowEnd; block += LEFT_BLOCK) {
      const rows = min(LEFT_BLOCK, rowEnd - block);
      packColumns(from + 4 * <usize>block, stride, rows, LEFT, steps, scratch);
      const out = task.sums + stride * <usize>(block - task.band) + 4 * <usize>column;
      multiplyBlock(scratch, right, steps, rows, columnEnd - column, out, stride, true, edge);
    }
  }
}
