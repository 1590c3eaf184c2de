/** Where threads find their work, in the memory that they share: words of 32 bits, beyond the place of descriptors. */
import { descriptor } from "@requant/core/kernels";

/** Indices of words that several threads write or read; those that are written often have a cache line of their own. */
export const words = {
  /** Counts the tasks. A change wakes the threads. */
  generation: 128,
  /** Threads that have not finished the task. The last one wakes the thread that waits. */
  working: 144,
  /** The next tile of the task. */
  counter: 160,
  /** Which kernel: an index into `kernelNames`; -1 ends the threads. */
  kernel: 176,
  /** The address of the task's numbers. */
  task: 177,
} as const;

/** The address of the counter, in bytes. */
export const COUNTER_ADDRESS: number = 4 * words.counter;

/** The words of a memory; views of it stay good when it grows, as it is shared. */
export function controlWords(memory: WebAssembly.Memory): Int32Array {
  return new Int32Array(memory.buffer, 0, 256);
}

/** The kernels that threads work on together. All take the address of the task and that of the thread's scratch. */
export const kernelNames: readonly KernelName[] = ["product", "moments", "attention", "activation"];
export type KernelName = "product" | "moments" | "attention" | "activation";

/** Writes the numbers of a task to a memory and returns their address. */
type Place<Numbers> = (numbers: Numbers, memory: ArrayBuffer) => number;

/** The fields of the class `ProductTask` in assembly/tiles.ts, in the same order. */
interface ProductTask {
  readonly counter: number;
  readonly left: number;
  readonly right: number;
  readonly out: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly outStride: number;
  readonly tileRows: number;
  readonly tileColumns: number;
}

export const placeProduct: Place<ProductTask> = /* @__PURE__ */ descriptor(
  ({ counter, left, right, out, m, n, k, outStride, tileRows, tileColumns }: ProductTask) => [
    counter,
    left,
    right,
    out,
    m,
    n,
    k,
    outStride,
    tileRows,
    tileColumns,
  ],
);

/** The fields of the class `MomentsTask` in assembly/tiles.ts, in the same order. */
interface MomentsTask {
  readonly counter: number;
  readonly x: number;
  readonly sums: number;
  readonly tokens: number;
  readonly columns: number;
  readonly band: number;
  readonly bandEnd: number;
  readonly tileSize: number;
}

export const placeMoments: Place<MomentsTask> = /* @__PURE__ */ descriptor(
  ({ counter, x, sums, tokens, columns, band, bandEnd, tileSize }: MomentsTask) => [
    counter,
    x,
    sums,
    tokens,
    columns,
    band,
    bandEnd,
    tileSize,
  ],
);

/** The fields of the class `AttentionTask` in assembly/attention.ts, in the same order. */
interface AttentionTask {
  readonly counter: number;
  readonly queries: number;
  readonly keys: number;
  readonly values: number;
  readonly out: number;
  readonly tokens: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headLength: number;
  readonly scaleBits: number;
  readonly capBits: number;
  readonly reach: number;
}

/** The longest head that the kernel has room for. */
export const MOST_HEAD_LENGTH = 512;

export const placeAttention: Place<AttentionTask> = /* @__PURE__ */ descriptor(
  ({
    counter,
    queries,
    keys,
    values,
    out,
    tokens,
    heads,
    keyHeads,
    headLength,
    scaleBits,
    capBits,
    reach,
  }: AttentionTask) => [
    counter,
    queries,
    keys,
    values,
    out,
    tokens,
    heads,
    keyHeads,
    headLength,
    scaleBits,
    capBits,
    reach,
  ],
);

/** The fields of the class `ActivationTask` in assembly/activation.ts, in the same order. */
interface ActivationTask {
  readonly counter: number;
  readonly gate: number;
  readonly values: number;
  readonly count: number;
  readonly kind: number;
}

/** The number by which the kernel knows a function. */
export const activationKinds: { readonly silu: 0; readonly gelu: 1 } = { silu: 0, gelu: 1 };

export const placeActivation: Place<ActivationTask> = /* @__PURE__ */ descriptor(
  ({ counter, gate, values, count, kind }: ActivationTask) => [counter, gate, values, count, kind],
);

/** The bits of a number, rounded to f32. */
export function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
}
