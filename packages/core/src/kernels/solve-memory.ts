/**
 * A memory of its own for each factor: of many columns it takes gigabytes, and the shared memory neither grows while others
 * use it nor shrinks. It is given back when the factor is no longer used.
 */
import { wasm } from "../generated/solve-kernels.ts";
import type { SolveFactor } from "../solve/factor.ts";
import { fromBase64 } from "./base64.ts";
import type { Kernel } from "./module.ts";
import { kernelsAreInstalled } from "./switch.ts";

/** Where the constants of this package's kernels end (scripts/build-kernels.mjs). */
export const STATIC_BYTE_LENGTH = 32 * 1024;
/** Bytes of a page of memory. */
export const PAGE = 65536;
const MOST_PAGES = 65536;
/** Columns that the kernel of the factor finishes together (assembly/factor.ts). */
const PANEL = 64;
/** Rows of a tile (assembly/solve.ts). */
export const TILE_ROWS = 16;
/** Columns of one step of a tile. */
export const STEP_COLUMNS = 64;

/** Where the arrays of a tile are; `columns` of each but for the last ones. */
export interface TilePlaces {
  readonly rest: number;
  readonly weights: number;
  readonly scales: number;
  readonly zeros: number;
  readonly biases: number;
  readonly codes: number;
  readonly visits: number;
  readonly groups: number;
  readonly changes: number;
  readonly local: number;
  readonly changed: number;
  readonly levels: number;
}

/** Matrices and tiles of one factor. */
export interface SolveMemory {
  readonly buffer: ArrayBuffer;
  /** Room for the matrix that is factored, in which `upper` and `moments` lie later. */
  readonly matrix: Float64Array;
  /** Numbers from row to row of `matrix`: a multiple of 4. */
  readonly stride: number;
  readonly work: number;
  readonly upper: Float32Array;
  readonly moments: Float32Array;
  readonly tile: TilePlaces;
  kernel(name: string): Kernel;
}

let compiled: WebAssembly.Module | undefined;

/** Memory for a factor; undefined where kernels are off, or where there is no memory of that size. */
export function makeSolveMemory(columns: number): SolveMemory | undefined {
  if (!kernelsAreInstalled() || columns === 0) return undefined;
  const stride = Math.ceil(columns / 4) * 4;
  const { take, end } = placesFrom(STATIC_BYTE_LENGTH);
  const matrix = take(8 * stride * stride);
  const workLength = 16 * PANEL * stride;
  const work = take(Math.max(workLength, 8 * PANEL * PANEL));
  const perGroup = (): number => take(4 * TILE_ROWS * columns);
  const perStep = (): number => take(4 * TILE_ROWS * STEP_COLUMNS);
  const tile: TilePlaces = {
    rest: perGroup(),
    weights: perGroup(),
    scales: perGroup(),
    zeros: perGroup(),
    biases: perGroup(),
    codes: take(TILE_ROWS * columns),
    visits: take(4 * columns),
    groups: take(4 * columns),
    changes: perStep(),
    local: perStep(),
    changed: take(4 * STEP_COLUMNS),
    levels: take(4 * 256),
  };
  const made = instantiate(Math.ceil(end() / PAGE));
  if (made === undefined) return undefined;
  const { buffer, exports } = made;
  return {
    buffer,
    matrix: new Float64Array(buffer, matrix, stride * stride),
    stride,
    work,
    upper: new Float32Array(buffer, matrix, columns * columns),
    moments: new Float32Array(buffer, matrix + 4 * columns * columns, columns * columns),
    tile,
    kernel: (name) => exports[name] as Kernel,
  };
}

/** The solver's kernels with a memory of this size; undefined where there is no memory of that size. */
export function instantiate(
  pages: number,
): { readonly buffer: ArrayBuffer; readonly exports: WebAssembly.Exports } | undefined {
  if (pages > MOST_PAGES) return undefined;
  try {
    compiled ??= new WebAssembly.Module(fromBase64(wasm));
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    return { buffer: memory.buffer, exports };
  } catch (error) {
    // no memory is left, or the page's security policy allows no WebAssembly
    if (error instanceof RangeError || error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}

/** Places one after another, each a multiple of a cache line. */
function placesFrom(start: number): {
  readonly take: (byteLength: number) => number;
  readonly end: () => number;
} {
  let end = start;
  return {
    take(byteLength) {
      const own = end;
      end += Math.ceil(byteLength / 64) * 64;
      return own;
    },
    end: () => end,
  };
}

const known = new WeakMap<Float32Array, SolveMemory>();

/** Remembers where the arrays of a factor are. */
export function rememberMemory(upper: Float32Array, memory: SolveMemory): void {
  known.set(upper, memory);
}

/** The memory of a factor; one that was made elsewhere is copied into a new memory once. */
export function solveMemoryOf(factor: SolveFactor): SolveMemory | undefined {
  if (!kernelsAreInstalled()) return undefined;
  const found = known.get(factor.upper);
  if (found !== undefined) return found;
  const made = makeSolveMemory(factor.columns);
  if (made === undefined) return undefined;
  made.upper.set(factor.upper);
  made.moments.set(factor.moments);
  known.set(factor.upper, made);
  return made;
}
