import { LimitError } from "@requant/core";
import { activate } from "../decoder/activation.ts";
import { type AttentionWindow, attend } from "../decoder/attention.ts";
import type { Compute, ComputeArray } from "./compute.ts";
import { compileMatrixKernels, type MatrixModule } from "./kernels.ts";
import { checkLength, copyRows } from "./matrix.ts";
import { referenceCompute } from "./reference.ts";
import { SharedMemory, type Staged } from "./shared-memory.ts";
import {
  activationKinds,
  COUNTER_ADDRESS,
  floatBits,
  MOST_HEAD_LENGTH,
  placeActivation,
  placeAttention,
  placeMoments,
  placeProduct,
} from "./tasks.ts";
import { type Threads, ThreadTeam } from "./threads.ts";

/** How a backend on WebAssembly works. */
export interface WasmComputeOptions {
  /** Threads that share the work: `nodeThreads` or `webThreads`. Default: none, the caller's thread alone. */
  readonly threads?: Threads | undefined;
  /**
   * Multiply and add in one rounding where the engine can, which is faster. Default true. The last bits then depend on the
   * machine; with false they are the same on every machine.
   */
  readonly fused?: boolean | undefined;
}

/** Bytes of operands that lie elsewhere and are copied in at a time, each. */
const STAGED_BYTE_LENGTH = 64 * 2 ** 20;

/** Multiplications that are worth waking other threads for. */
const WORTH_THREADS = 1 << 20;

/** Rows and columns of a tile of out at most, and at least. Tiles shrink until each thread has several. */
const TILE = { rows: 512, columns: 256, least: 64, perThread: 4 };

/** Always the same: tiles on the diagonal write below it, too. */
const MOMENTS_TILE = 128;

/**
 * The backend on SIMD kernels and threads; plain TypeScript where the engine has no SIMD or no shared memory. In a page it
 * belongs into a worker: the thread that calls it computes, too.
 *
 * The bits of a result do not depend on the number of threads. Memory: what `allocate` gave, and at most 192 MiB for operands
 * that lie elsewhere, and 384 KiB for each thread.
 */
export function wasmCompute(options: WasmComputeOptions = {}): Compute {
  const module = compileMatrixKernels(options.fused);
  const shared = module === undefined ? undefined : sharedMemory();
  if (module === undefined || shared === undefined) return referenceCompute;
  return new WasmCompute(shared, module, options.threads);
}

/** Undefined where the engine refuses a shared memory. */
function sharedMemory(): SharedMemory | undefined {
  try {
    return new SharedMemory();
  } catch {
    return undefined;
  }
}

class WasmCompute implements Compute {
  readonly name: string;
  readonly #shared: SharedMemory;
  readonly #team: ThreadTeam;
  /** Tasks share one place in memory, so they come one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(shared: SharedMemory, module: MatrixModule, threads: Threads | undefined) {
    this.#shared = shared;
    this.#team = new ThreadTeam(shared, module, threads);
    const kind = module.fused ? "SIMD with fused multiply-add" : "SIMD";
    this.name = `${kind}, ${this.#team.size} ${this.#team.size === 1 ? "thread" : "threads"}`;
  }

  allocate(length: number): ComputeArray {
    try {
      const start = this.#shared.allocate(4 * length);
      return { values: this.#shared.floats(start, length), release: () => this.#shared.release(start) };
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      return { values: new Float32Array(length), release() {} };
    }
  }

  product(
    a: Float32Array,
    b: Float32Array,
    m: number,
    n: number,
    k: number,
    out: Float32Array,
  ): Promise<void> {
    checkLength("a", a, m * k);
    checkLength("b", b, n * k);
    checkLength("out", out, m * n);
    return this.#inTurn(async () => {
      const rowsAtOnce = (columns: number, ...arrays: Float32Array[]): number =>
        arrays.every((array) => this.#shared.addressOf(array) !== undefined)
          ? Number.POSITIVE_INFINITY
          : Math.max(TILE.columns, Math.floor(STAGED_BYTE_LENGTH / 4 / Math.max(1, columns)));
      const bandN = Math.min(n, rowsAtOnce(k, b), rowsAtOnce(Math.min(m, TILE.rows), out));
      const bandM = Math.min(m, rowsAtOnce(k, a), rowsAtOnce(bandN, out));
      for (let column = 0; column < n; column += bandN) {
        const columns = Math.min(bandN, n - column);
        const right = this.#shared.staged(b, column * k, columns * k);
        for (let row = 0; row < m; row += bandM) {
          const rows = Math.min(bandM, m - row);
          const left = this.#shared.staged(a, row * k, rows * k);
          const inside = this.#shared.addressOf(out);
          const place = inside === undefined ? this.#shared.allocate(4 * rows * columns) : undefined;
          await this.#product({
            left: left.address,
            right: right.address,
            out: inside === undefined ? (place ?? 0) : inside + 4 * (row * n + column),
            m: rows,
            n: columns,
            k,
            outStride: inside === undefined ? columns : n,
          });
          if (place !== undefined) {
            const made = this.#shared.floats(place, rows * columns);
            copyRows(made, rows, columns, out, row * n + column, n);
            this.#shared.release(place);
          }
          left.release();
        }
        right.release();
      }
    });
  }

  async #product(task: Omit<Parameters<typeof placeProduct>[0], "counter" | "tileRows" | "tileColumns">) {
    const { m, n, k } = task;
    let { rows: tileRows, columns: tileColumns } = TILE;
    const tiles = (): number => Math.ceil(m / tileRows) * Math.ceil(n / tileColumns);
    while (tiles() < TILE.perThread * this.#team.size && tileRows * tileColumns > TILE.least ** 2) {
      if (tileRows > tileColumns) tileRows /= 2;
      else tileColumns /= 2;
    }
    const place = placeProduct(
      { ...task, counter: COUNTER_ADDRESS, tileRows, tileColumns },
      this.#shared.memory.buffer,
    );
    await this.#team.run("product", place, m * n * k < WORTH_THREADS);
  }

  addMoments(x: Float32Array, tokens: number, columns: number, sums: Float32Array): Promise<void> {
    checkLength("x", x, tokens * columns);
    checkLength("sums", sums, columns * columns);
    return this.#inTurn(async () => {
      const staged = this.#shared.staged(x, 0, tokens * columns);
      const inside = this.#shared.addressOf(sums);
      const rows = inside === undefined ? Math.max(1, Math.floor(STAGED_BYTE_LENGTH / 4 / columns)) : columns;
      for (let band = 0; band < columns; band += rows) {
        const bandEnd = Math.min(columns, band + rows);
        const part =
          inside === undefined
            ? this.#shared.staged(sums, band * columns, (bandEnd - band) * columns)
            : undefined;
        const task = placeMoments(
          {
            counter: COUNTER_ADDRESS,
            x: staged.address,
            sums: part?.address ?? inside ?? 0,
            tokens,
            columns,
            band,
            bandEnd,
            tileSize: MOMENTS_TILE,
          },
          this.#shared.memory.buffer,
        );
        await this.#team.run("moments", task, tokens * (bandEnd - band) * columns < WORTH_THREADS);
        part?.copyBack();
        part?.release();
      }
      staged.release();
    });
  }

  attention(windows: readonly AttentionWindow[]): Promise<void> | void {
    if (windows.some(({ headLength }) => headLength > MOST_HEAD_LENGTH)) return attend(windows);
    return this.#inTurn(async () => {
      for (const window of windows) await this.#attention(window);
    });
  }

  async #attention(window: AttentionWindow): Promise<void> {
    const { tokens, heads, keyHeads, headLength, scale, cap, reach } = window;
    checkLength("queries", window.queries, tokens * heads * headLength);
    checkLength("out", window.out, tokens * heads * headLength);
    checkLength("keys", window.keys, tokens * keyHeads * headLength);
    checkLength("values", window.values, tokens * keyHeads * headLength);
    const staged = (array: Float32Array): Staged => this.#shared.staged(array, 0, array.length);
    const queries = staged(window.queries);
    const keys = staged(window.keys);
    const values = staged(window.values);
    const out = staged(window.out);
    const task = placeAttention(
      {
        counter: COUNTER_ADDRESS,
        queries: queries.address,
        keys: keys.address,
        values: values.address,
        out: out.address,
        tokens,
        heads,
        keyHeads,
        headLength,
        scaleBits: floatBits(scale),
        capBits: floatBits(cap),
        reach,
      },
      this.#shared.memory.buffer,
    );
    await this.#team.run("attention", task, tokens * tokens * heads * headLength < WORTH_THREADS);
    out.copyBack();
    for (const { release } of [queries, keys, values, out]) release();
  }

  activate(
    kind: keyof typeof activationKinds,
    gate: Float32Array | undefined,
    values: Float32Array,
  ): Promise<void> | void {
    // the kernel works on four numbers at a time
    if (values.length % 4 !== 0) return activate(kind, gate, values);
    if (gate !== undefined) checkLength("gate", gate, values.length);
    return this.#inTurn(async () => {
      const each = Math.min(values.length, STAGED_BYTE_LENGTH / 4);
      for (let start = 0; start < values.length; start += each) {
        const count = Math.min(each, values.length - start);
        const gates = gate === undefined ? undefined : this.#shared.staged(gate, start, count);
        const own = this.#shared.staged(values, start, count);
        const task = placeActivation(
          {
            counter: COUNTER_ADDRESS,
            gate: gates?.address ?? 0,
            values: own.address,
            count,
            kind: activationKinds[kind],
          },
          this.#shared.memory.buffer,
        );
        await this.#team.run("activation", task, count < WORTH_THREADS / 8);
        own.copyBack();
        own.release();
        gates?.release();
      }
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#team.close();
  }
}
