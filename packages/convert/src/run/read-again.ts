/** Reads pieces of the output again: those that an earlier run made, and all before files get their names. */
import type { Piece, PieceResult } from "./pieces.ts";
import { inParallel, type Pool } from "./pool.ts";
import type { RunState } from "./run-state.ts";

/** Pieces that are read again at one go. */
const PIECES_PER_READ = 16;

/** Takes over the results that an earlier run claims, where the bytes still have the claimed checksum. */
export async function takeClaimed(
  run: RunState,
  pool: Pool,
  claimOf: (piece: Piece) => PieceResult | undefined,
): Promise<void> {
  const claimed = run.work.jobs.flatMap(({ pieces }) =>
    pieces.flatMap((piece) => {
      const result = claimOf(piece);
      return result === undefined ? [] : [{ piece, result }];
    }),
  );
  await readAgain(pool, claimed, ({ piece, result }, sum) => {
    run.options.signal?.throwIfAborted();
    if (sum !== result.checksum) return;
    run.setResult(piece, result);
    run.report("write", piece);
  });
}

/** Compares pieces with what was written, and calls `onLost` for each that differs. */
export async function checkAgain<T extends { readonly piece: Piece }>(
  run: RunState,
  pool: Pool,
  items: Iterable<T>,
  onLost: (item: T) => void,
): Promise<void> {
  await readAgain(pool, items, (item, sum) => {
    const { piece } = item;
    run.options.signal?.throwIfAborted();
    if (sum !== run.resultOf(piece)?.checksum) onLost(item);
    run.report("check", piece);
  });
}

/** Reads pieces several at a time, and hands each one's checksum to `use`. */
async function readAgain<T extends { readonly piece: Piece }>(
  pool: Pool,
  items: Iterable<T>,
  use: (item: T, checksum: string | undefined) => void,
): Promise<void> {
  await inParallel(
    chunksOf(items),
    pool.capacity,
    async (chunk) => {
      const sums = await pool.read(chunk.map(({ piece }) => piece));
      for (const [index, item] of chunk.entries()) use(item, sums[index]);
    },
    (error) => pool.stop(error),
  );
}

function* chunksOf<T>(items: Iterable<T>): Generator<readonly T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < PIECES_PER_READ) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
