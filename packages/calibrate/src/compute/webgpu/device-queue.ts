/** Work for one WebGPU device: its buffers, what is written to them and read from them, and its faults. */
import {
  type DeviceOptions,
  deviceFault,
  lostDevice,
  type OpenedDevice,
  openDevice,
  reasonOf,
} from "./device.ts";
import { TILE, type TilesTask, taskWords, tilesShader } from "./shader.ts";

/** Bits of GPUBufferUsage and GPUMapMode (W3C, WebGPU); Node has no globals with them. */
const USAGE = { mapRead: 1, copyFrom: 4, copyTo: 8, uniform: 64, storage: 128 } as const;
const MAP_READ = 1;

/** Numbers that are copied out of a shared memory at a time: not every WebGPU reads one. */
const COPIED_LENGTH = 2 ** 20;

/** Most workgroups along a side of the grid: the least value of maxComputeWorkgroupsPerDimension. */
const MOST_TILES = 65535;

/** Most rows of the operands of one task. */
export const MOST_ROWS = { left: MOST_TILES * TILE.rows, right: MOST_TILES * TILE.columns } as const;

/** What the buffers that are used again and again are for. */
type Use = "left" | "right" | "out" | "back";

const useBits: Readonly<Record<Use, number>> = {
  left: USAGE.storage | USAGE.copyTo,
  right: USAGE.storage | USAGE.copyTo,
  out: USAGE.storage | USAGE.copyFrom,
  back: USAGE.mapRead | USAGE.copyTo,
};

/** The faults that are looked for. Scopes end in the opposite order of their beginnings. */
const scopes = ["out-of-memory", "internal", "validation"] as const;

const pipelines = new WeakMap<GPUDevice, Promise<GPUComputePipeline>>();

/** The program for a device: compiled once, which takes a software adapter seconds. */
function pipelineOf(device: GPUDevice): Promise<GPUComputePipeline> {
  const known = pipelines.get(device);
  if (known !== undefined) return known;
  const module = device.createShaderModule({ code: tilesShader });
  const compute = { module, entryPoint: "multiply" };
  const pipeline = device.createComputePipelineAsync({ layout: "auto", compute });
  pipelines.set(device, pipeline);
  return pipeline;
}

/** The buffers of a task. */
interface TaskBuffers {
  readonly left: GPUBuffer;
  readonly right: GPUBuffer;
  readonly out: GPUBuffer;
}

export class DeviceQueue {
  readonly name: string;
  readonly #opened: OpenedDevice;
  readonly #pipeline: GPUComputePipeline;
  readonly #task: GPUBuffer;
  readonly #buffers = new Map<Use, GPUBuffer>();
  readonly #copied = new Float32Array(COPIED_LENGTH);
  /** When the device has done the last orders that nobody reads results of. */
  #done: Promise<unknown> = Promise.resolve();
  /** Why the device is lost. */
  #lost: string | undefined;
  /** Buffers are shared by all tasks, so these come one after the other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(opened: OpenedDevice, pipeline: GPUComputePipeline) {
    this.#opened = opened;
    this.#pipeline = pipeline;
    this.name = opened.name;
    const { device } = opened;
    this.#task = device.createBuffer({ size: 48, usage: USAGE.uniform | USAGE.copyTo });
    device.lost.then(({ message }) => {
      this.#lost = reasonOf(message);
    });
  }

  static async open(options: DeviceOptions): Promise<DeviceQueue> {
    const opened = await openDevice(options);
    const { device } = opened;
    try {
      return new DeviceQueue(opened, await pipelineOf(device));
    } catch (cause) {
      if (opened.own) device.destroy();
      throw lostDevice(reasonOf(cause));
    }
  }

  /** Bytes of the largest buffer. */
  get mostByteLength(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#opened.device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** Does `work` when all work that was asked for before is done. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /**
   * Does what only gives orders to the device, when it has done those of the last call: what waits for it takes memory.
   * @throws IoError for a device that is lost or refuses, LimitError where its memory is full
   */
  async order(give: () => void): Promise<void> {
    await this.#done;
    await this.#ordered(give);
    // a device that is lost is noticed by the next call
    this.#done = this.#opened.device.queue.onSubmittedWorkDone().catch(() => {});
  }

  /** Also reads the first `length` numbers of a buffer, in the order of the device's work; `take` must not keep them. */
  async orderAndRead(
    length: number,
    give: () => GPUBuffer,
    take: (values: Float32Array) => void,
  ): Promise<void> {
    const { device } = this.#opened;
    const byteLength = 4 * length;
    let failure: unknown;
    const back = await this.#ordered(() => {
      const from = give();
      const to = this.room("back", length);
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, to, 0, byteLength);
      device.queue.submit([encoder.finish()]);
      const mapped = to.mapAsync(MAP_READ, 0, byteLength).catch((error: unknown) => {
        failure = error ?? "the numbers could not be read";
      });
      return { to, mapped };
    });
    await back.mapped;
    // a buffer without faults of its own, of a device that is there, can be read
    if (failure !== undefined) throw lostDevice(this.#lost ?? reasonOf(failure));
    try {
      take(new Float32Array(back.to.getMappedRange(0, byteLength)));
    } finally {
      back.to.unmap();
    }
  }

  /** A buffer for one use, whatever is in it; good until the next that is asked for the same use. */
  room(use: Use, length: number): GPUBuffer {
    const byteLength = 4 * length;
    const found = this.#buffers.get(use);
    if (found !== undefined && found.size >= byteLength) return found;
    found?.destroy();
    const buffer = this.#opened.device.createBuffer({ size: byteLength, usage: useBits[use] });
    this.#buffers.set(use, buffer);
    return buffer;
  }

  /** A buffer of zeros that tasks add to; its owner destroys it. */
  sums(length: number): GPUBuffer {
    return this.#opened.device.createBuffer({ size: 4 * length, usage: USAGE.storage | USAGE.copyFrom });
  }

  /** Copies numbers to the buffer of a use. */
  upload(use: "left" | "right", array: Float32Array, start: number, length: number): GPUBuffer {
    const { queue } = this.#opened.device;
    const buffer = this.room(use, length);
    const part = array.subarray(start, start + length);
    if (part.buffer instanceof ArrayBuffer) {
      queue.writeBuffer(buffer, 0, part.buffer, part.byteOffset, part.byteLength);
      return buffer;
    }
    for (let at = 0; at < length; at += COPIED_LENGTH) {
      const count = Math.min(COPIED_LENGTH, length - at);
      this.#copied.set(part.subarray(at, at + count));
      queue.writeBuffer(buffer, 4 * at, this.#copied, 0, count);
    }
    return buffer;
  }

  multiply(task: TilesTask, { left, right, out }: TaskBuffers): void {
    const { device } = this.#opened;
    device.queue.writeBuffer(this.#task, 0, taskWords(task));
    const entries = [this.#task, left, right, out].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: this.#pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(
      Math.ceil(task.right.count / TILE.columns),
      Math.ceil(task.left.count / TILE.rows),
    );
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  async #ordered<T>(give: () => T): Promise<T> {
    if (this.#lost !== undefined) throw lostDevice(this.#lost);
    const { device } = this.#opened;
    for (const scope of scopes) device.pushErrorScope(scope);
    let given: T;
    let faults: Promise<GPUError | null>[];
    try {
      given = give();
    } finally {
      // a device that is lost is noticed when numbers are read, or with the next order
      faults = scopes.map(() => device.popErrorScope().catch(() => null));
    }
    const [validation, internal, memory] = await Promise.all(faults);
    if (memory) throw deviceFault(memory, true);
    const other = internal ?? validation;
    if (other) throw deviceFault(other, false);
    return given;
  }

  /** When all work is done: frees the buffers, and the device where it is not the caller's. */
  async close(): Promise<void> {
    await this.#last;
    for (const buffer of [...this.#buffers.values(), this.#task]) buffer.destroy();
    this.#buffers.clear();
    if (this.#opened.own) this.#opened.device.destroy();
  }
}
