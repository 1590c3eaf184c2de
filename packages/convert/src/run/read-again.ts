import type { Piece } from "./pieces.ts";
import { inParallel, type Pool } from "./pool.ts";

/** Pieces that are read again at one go. */
const PIECES_PER_READ = 16;

/** Reads pieces of the output again, several at a time, and hands each one's checksum to `use`. */
export async function readAgain<T extends { readonly piece: Piece }>(
  pool: Pool,
  items: readonly T[],
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

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += PIECES_PER_READ) {
    yield items.slice(start, start + PIECES_PER_READ);
  }
}
