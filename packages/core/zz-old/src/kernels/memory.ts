/**
 * The one WebAssembly memory of this thread, shared by the kernels of all packages: the kernel of one package reads the
 * output of another package's kernel without a copy. The first part belongs to the modules (scripts/build-kernels.mjs
 * lists the range of each), then come scratch for arrays that live elsewhere, tiles and tables, then the buffers that
 * callers allocate.
 */

/** Where a kernel's descriptor lies: below the first module's range. */
export const DESCRIPTOR_ADDRESS = 64;

/** Bytes of the longest descriptor. */
export const DESCRIPTOR_BYTE_LENGTH = 448;

/** Where the modules' constants end. */
const STATIC_BYTE_LENGTH = 512 * 1024;

/** Bytes of each scratch area: half fits the first-level cache of any machine, and a call costs nothing next to it. */
export const SCRATCH_BYTE_LENGTH: number = 64 * 1024;

/** Scratch areas: input, output, importance matrix or other parameters. */
const SCRATCH_COUNT = 3;

/** Bytes of each area for tiles that one kernel makes and the next one takes: within a second-level cache. */
export const TILE_BYTE_LENGTH: number = 512 * 1024;

/** Tiles: codes, the kernel's output, scales and zero points. */
const TILE_COUNT = 3;

/**
 * Room for tables that are made when a kernel is first used. It is reserved from the start, because views of memory
 * become invalid when the memory grows; the system provides a page only on the first write. The codebooks of all IQ types
 * take 4.4 MiB.
 */
const TABLES_BYTE_LENGTH = 5 * 1024 * 1024;

/** No buffer shares a cache line with another. */
const ALIGNMENT = 64;

const PAGE = 65536;

const TILES_START = STATIC_BYTE_LENGTH + SCRATCH_COUNT * SCRATCH_BYTE_LENGTH;

const TABLES_START = TILES_START + TILE_COUNT * TILE_BYTE_LENGTH;

let memory: WebAssembly.Memory | undefined;

/** The memory, made at first use. */
export function kernelMemory(): WebAssembly.Memory {
  memory ??= new WebAssembly.Memory({
    initial: (TABLES_START + TABLES_BYTE_LENGTH) / PAGE,
    maximum: 65536,
  });
  return memory;
}

/** Where scratch area `index` begins. */
export function scratchOffset(index: 0 | 1 | 2): number {
  return STATIC_BYTE_LENGTH + index * SCRATCH_BYTE_LENGTH;
}

/** Where a tile begins: 0 for codes, 1 for the kernel's output, 2 for scales and zero points. */
export function tileOffset(index: 0 | 1 | 2): number {
  return TILES_START + index * TILE_BYTE_LENGTH;
}

let tablesEnd = TABLES_START;

/**
 * The start of `byteLength` bytes for a table, kept for ever, a multiple of `ALIGNMENT`; undefined when there is no room.
 */
export function placeTable(byteLength: number): number | undefined {
  const start = tablesEnd;
  const end = start + Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
  if (end > TABLES_START + TABLES_BYTE_LENGTH) return undefined;
  tablesEnd = end;
  return start;
}

/** Free ranges in rising order, never adjacent. */
const free: { start: number; end: number }[] = [];

/**
 * The start of `byteLength` free bytes, a multiple of `ALIGNMENT`; undefined where only a larger memory has them and it
 * `mayGrow` not. @throws RangeError when the memory cannot grow
 */
export function allocateRange(byteLength: number, mayGrow: boolean): number | undefined {
  const wanted = Math.max(ALIGNMENT, Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT);
  let index = free.findIndex(({ start, end }) => end - start >= wanted);
  if (index < 0) {
    if (!mayGrow) return undefined;
    const { buffer } = kernelMemory();
    const end = buffer.byteLength;
    const last = free.at(-1);
    const usable = last?.end === end ? end - last.start : 0;
    const pages = Math.ceil((wanted - usable) / PAGE);
    kernelMemory().grow(pages);
    releaseRange(end, pages * PAGE);
    index = free.length - 1;
  }
  const range = free[index]!;
  const { start } = range;
  range.start += wanted;
  if (range.start === range.end) free.splice(index, 1);
  return start;
}

/** Gives back what `allocateRange(byteLength)` returned. */
export function releaseRange(start: number, byteLength: number): void {
  const end = start + Math.max(ALIGNMENT, Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT);
  let index = free.findIndex((range) => range.start >= end);
  if (index < 0) index = free.length;
  const before = free[index - 1];
  const after = free[index];
  const joinsBefore = before?.end === start;
  const joinsAfter = after?.start === end;
  if (joinsBefore && joinsAfter) {
    before.end = after.end;
    free.splice(index, 1);
  } else if (joinsBefore) before.end = end;
  else if (joinsAfter) after.start = start;
  else free.splice(index, 0, { start, end });
}

/** Where the bytes of a view lie in the memory of the kernels; undefined when they lie elsewhere. */
export function kernelAddress(view: ArrayBufferView): number | undefined {
  return memory !== undefined && view.buffer === memory.buffer ? view.byteOffset : undefined;
}
