import type { MomentSums } from "../compute.ts";
import type { DeviceQueue } from "./device-queue.ts";
import { TILE } from "./shader.ts";

/** Rows `start` to `end` of the sums, from the diagonal on: [end − start, columns − start]. */
interface Band {
  readonly start: number;
  readonly end: number;
  readonly sums: GPUBuffer;
}

/** Bytes of one band at most: many bands leave out more of what is below the diagonal. */
const BAND_BYTE_LENGTH = 32 * 2 ** 20;

/** Second moments that stay in the memory of the device until they are read: only inputs travel. */
export class DeviceMoments implements MomentSums {
  readonly #queue: DeviceQueue;
  readonly #columns: number;
  readonly #mostByteLength: number;
  readonly #onRelease: () => void;
  #bands: readonly Band[] = [];
  #read: Float32Array | undefined;

  /** @param mostByteLength of one buffer; it has room for one row */
  constructor(queue: DeviceQueue, columns: number, mostByteLength: number, onRelease: () => void) {
    this.#queue = queue;
    this.#columns = columns;
    this.#mostByteLength = mostByteLength;
    this.#onRelease = onRelease;
  }

  add(x: Float32Array, tokens: number): Promise<void> {
    this.#read = undefined;
    const columns = this.#columns;
    const each = Math.floor(this.#mostByteLength / 4 / columns);
    return this.#queue.inTurn(async () => {
      for (let token = 0; token < tokens; token += each) {
        const steps = Math.min(each, tokens - token);
        await this.#queue.order(() => {
          if (this.#bands.length === 0) this.#bands = this.#newBands();
          const inputs = this.#queue.upload("left", x, token * columns, steps * columns);
          for (const band of this.#bands) this.#addTo(band, inputs, steps);
        });
      }
    });
  }

  #newBands(): Band[] {
    const columns = this.#columns;
    const rows = Math.floor(Math.min(this.#mostByteLength, BAND_BYTE_LENGTH) / 4 / columns);
    // whole tiles where there is room for one
    const each = Math.max(1, rows - (rows > TILE.rows ? rows % TILE.rows : 0));
    const bands: Band[] = [];
    for (let start = 0; start < columns; start += each) {
      const end = Math.min(columns, start + each);
      bands.push({ start, end, sums: this.#queue.sums((end - start) * (columns - start)) });
    }
    return bands;
  }

  #addTo({ start, end, sums }: Band, inputs: GPUBuffer, steps: number): void {
    const columns = this.#columns;
    const operand = { start, rowStride: 1, stepStride: columns };
    const task = {
      left: { ...operand, count: end - start },
      right: { ...operand, count: columns - start },
      steps,
      outStride: columns - start,
      adds: true,
      upperOnly: true,
    };
    this.#queue.multiply(task, { left: inputs, right: inputs, out: sums });
  }

  async read(): Promise<Float32Array> {
    if (this.#read !== undefined) return this.#read;
    const columns = this.#columns;
    const all = new Float32Array(columns * columns);
    await this.#queue.inTurn(async () => {
      for (const { start, end, sums } of this.#bands) {
        const width = columns - start;
        const take = (values: Float32Array): void => {
          for (let row = start; row < end; row++) {
            const from = (row - start) * width;
            all.set(values.subarray(from, from + width), row * columns + start);
          }
        };
        await this.#queue.orderAndRead((end - start) * width, () => sums, take);
      }
    });
    this.#read = all;
    return all;
  }

  release(): void {
    for (const { sums } of this.#bands) sums.destroy();
    this.#bands = [];
    this.#read = undefined;
    this.#onRelease();
  }
}
