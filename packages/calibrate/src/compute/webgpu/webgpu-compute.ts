import type { Compute, MomentSums } from "../compute.ts";
import { checkLength, copyRows } from "../matrix.ts";
import { wasmCompute } from "../wasm-compute.ts";
import type { DeviceOptions } from "./device.ts";
import { DeviceMoments } from "./device-moments.ts";
import { DeviceQueue, MOST_ROWS } from "./device-queue.ts";
import { TILE } from "./shader.ts";

/** How a backend on WebGPU works. */
export interface WebGpuComputeOptions extends DeviceOptions {
  /** Does the other steps, and what is too small for the device; it is closed together with this backend, and where this one cannot be opened. Default: SIMD kernels. */
  readonly cpu?: Compute | undefined;
  /** Multiplications that are worth the way to the device and back. Default 2²⁴. */
  readonly leastWork?: number | undefined;
  /** Bytes of one buffer at most; larger matrices go in parts. Default 128 MiB, and never more than the device allows. */
  readonly bufferByteLength?: number | undefined;
  /** Bytes of second moments in the memory of the device at most; the CPU keeps others. Default 2 GiB. */
  readonly sumsByteLength?: number | undefined;
}

const DEFAULTS = { leastWork: 2 ** 24, bufferByteLength: 2 ** 27, sumsByteLength: 2 ** 31 } as const;

/** Tokens that a matrix of second moments sees at least, where it matters. */
const LIKELY_TOKENS = 256;

/**
 * The backend whose matrix products and second moments are computed by WebGPU. Attention and activations stay on the CPU: they
 * read and write much for what they compute. Results are f32 sums in another order than the CPU's, and their last bits depend on
 * the device.
 *
 * Memory of the device: four buffers, and the second moments of one layer.
 * @throws UnsupportedError where there is no adapter, IoError for a device that cannot be opened
 */
export async function webgpuCompute(options: WebGpuComputeOptions = {}): Promise<Compute> {
  const cpu = options.cpu ?? wasmCompute();
  try {
    return new WebGpuCompute(await DeviceQueue.open(options), cpu, options);
  } catch (error) {
    await cpu.close();
    throw error;
  }
}

class WebGpuCompute implements Compute {
  readonly name: string;
  readonly #queue: DeviceQueue;
  readonly #cpu: Compute;
  readonly #leastWork: number;
  readonly #bufferByteLength: number;
  #sumsByteLength: number;

  constructor(queue: DeviceQueue, cpu: Compute, options: WebGpuComputeOptions) {
    this.#queue = queue;
    this.#cpu = cpu;
    // empty matrices are nothing for a device
    this.#leastWork = Math.max(1, options.leastWork ?? DEFAULTS.leastWork);
    this.#bufferByteLength = Math.min(
      queue.mostByteLength,
      options.bufferByteLength ?? DEFAULTS.bufferByteLength,
    );
    this.#sumsByteLength = options.sumsByteLength ?? DEFAULTS.sumsByteLength;
    this.name = `WebGPU (${queue.name}), and ${this.#cpu.name}`;
  }

  /** In the memory that the other steps work on. */
  readonly allocate: Compute["allocate"] = (length) => this.#cpu.allocate(length);
  readonly attention: Compute["attention"] = (windows) => this.#cpu.attention(windows);
  readonly activate: Compute["activate"] = (kind, gate, values) => this.#cpu.activate(kind, gate, values);

  product(
    a: Float32Array,
    b: Float32Array,
    m: number,
    n: number,
    k: number,
    out: Float32Array,
  ): Promise<void> | void {
    if (m * n * k < this.#leastWork || this.#rowsOf(k) < 1) return this.#cpu.product(a, b, m, n, k, out);
    checkLength("a", a, m * k);
    checkLength("b", b, n * k);
    checkLength("out", out, m * n);
    const bandN = Math.min(
      n,
      MOST_ROWS.right,
      this.#rowsOf(k),
      Math.max(1, this.#rowsOf(Math.min(m, TILE.rows))),
    );
    const bandM = Math.min(m, MOST_ROWS.left, this.#rowsOf(k), Math.max(1, this.#rowsOf(bandN)));
    return this.#queue.inTurn(async () => {
      for (let column = 0; column < n; column += bandN) {
        const columns = Math.min(bandN, n - column);
        let right: GPUBuffer | undefined;
        for (let row = 0; row < m; row += bandM) {
          const rows = Math.min(bandM, m - row);
          const give = (): GPUBuffer => {
            right ??= this.#queue.upload("right", b, column * k, columns * k);
            const left = this.#queue.upload("left", a, row * k, rows * k);
            const made = this.#queue.room("out", rows * columns);
            const operand = { start: 0, rowStride: k, stepStride: 1 };
            const task = {
              left: { ...operand, count: rows },
              right: { ...operand, count: columns },
              steps: k,
              outStride: columns,
              adds: false,
              upperOnly: false,
            };
            this.#queue.multiply(task, { left, right, out: made });
            return made;
          };
          const take = (values: Float32Array): void =>
            copyRows(values, rows, columns, out, row * n + column, n);
          await this.#queue.orderAndRead(rows * columns, give, take);
        }
      }
    });
  }

  async addMoments(x: Float32Array, tokens: number, columns: number, sums: Float32Array): Promise<void> {
    checkLength("x", x, tokens * columns);
    checkLength("sums", sums, columns * columns);
    const own = this.openMoments(columns);
    if (own === undefined) return this.#cpu.addMoments(x, tokens, columns, sums);
    try {
      await own.add(x, tokens);
      const added = await own.read();
      for (let row = 0; row < columns; row++) {
        for (let at = row * columns + row; at < (row + 1) * columns; at++) sums[at]! += added[at]!;
      }
    } finally {
      own.release();
    }
  }

  openMoments(columns: number): MomentSums | undefined {
    const byteLength = 4 * columns * columns;
    const isSmall = columns * columns * LIKELY_TOKENS < this.#leastWork;
    if (isSmall || byteLength > this.#sumsByteLength || this.#rowsOf(columns) < 1) return undefined;
    this.#sumsByteLength -= byteLength;
    return new DeviceMoments(this.#queue, columns, this.#bufferByteLength, () => {
      this.#sumsByteLength += byteLength;
    });
  }

  /** Rows of so many numbers that fit into a buffer. */
  #rowsOf(columns: number): number {
    return Math.floor(this.#bufferByteLength / 4 / columns);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#cpu.close();
  }
}
