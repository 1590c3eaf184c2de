/** Threads that wait for tasks in a shared memory, whatever kind of worker they are. */
import { IoError } from "@requant/core";
import { type MatrixKernels, type MatrixModule, startMatrixKernels } from "./kernels.ts";
import type { SharedMemory } from "./shared-memory.ts";
import { controlWords, type KernelName, kernelNames, words } from "./tasks.ts";

/** The only message to a thread: everything it needs. From then on it looks into the memory. */
export interface ThreadSetup {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  /** The address of the thread's scratch. */
  readonly scratch: number;
}

/** One thread, seen from the thread that starts it. */
export interface ThreadHandle {
  /** Gives the thread the shared memory and the module. Call it once, before any work. */
  post(setup: ThreadSetup): void;
  /** `onEnd`: it ended by itself, or crashed; `reason` is for people. */
  listen(onEnd: (reason: string) => void): void;
  /** Ends the thread at once. */
  terminate(): Promise<void>;
}

/** Where threads come from. */
export interface Threads {
  /** Most threads that compute, the caller's among them. */
  readonly count: number;
  /** Starts one thread beside the caller's. */
  start(): ThreadHandle;
}

/** A thread's side: works until it is told to end. Blocks, so it must not be the thread of a page. */
export function serveThread({ memory, module, scratch }: ThreadSetup): void {
  const kernels = startMatrixKernels(module, memory);
  const control = controlWords(memory);
  for (let seen = 0; ; ) {
    Atomics.wait(control, words.generation, seen);
    seen = Atomics.load(control, words.generation);
    const name = kernelNames[Atomics.load(control, words.kernel)];
    if (name === undefined) return;
    kernels.run(name, Atomics.load(control, words.task), scratch);
    if (Atomics.sub(control, words.working, 1) === 1) Atomics.notify(control, words.working);
  }
}

/** Not in the library of types for ES2022; Node 20, Chrome 87, Safari 16.4 and Firefox 145 have it. */
interface AsyncWait {
  waitAsync?(
    array: Int32Array,
    index: number,
    value: number,
  ): { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
}

/** Looks at the other threads' progress before it waits for them in earnest: tiles are short. */
const LOOKS = 2000;

/** Threads at work on one memory, the caller's among them. */
export class ThreadTeam {
  readonly size: number;
  readonly #control: Int32Array;
  readonly #kernels: MatrixKernels;
  readonly #scratch: number;
  readonly #handles: ThreadHandle[];
  /** Rejects the task under way. */
  #fail: (error: unknown) => void = () => {};
  #failure: { readonly error: unknown } | undefined;
  #closing = false;

  constructor(shared: SharedMemory, { module }: MatrixModule, threads: Threads | undefined) {
    this.#control = controlWords(shared.memory);
    this.#kernels = startMatrixKernels(module, shared.memory);
    this.size = Math.max(1, threads?.count ?? 1);
    const scratch = (): number => shared.allocate(this.#kernels.scratchByteLength);
    this.#scratch = scratch();
    this.#handles = [];
    for (let index = 1; index < this.size && threads !== undefined; index++) {
      const handle = threads.start();
      handle.listen((reason) => this.#onEnd(reason));
      handle.post({ memory: shared.memory, module, scratch: scratch() });
      this.#handles.push(handle);
    }
  }

  /**
   * Does a task.
   * @param task the address of its numbers
   * @param alone true where it is too short to wake the other threads
   */
  async run(name: KernelName, task: number, alone: boolean): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const control = this.#control;
    Atomics.store(control, words.counter, 0);
    const others = alone ? 0 : this.#handles.length;
    if (others > 0) {
      Atomics.store(control, words.kernel, kernelNames.indexOf(name));
      Atomics.store(control, words.task, task);
      Atomics.store(control, words.working, others);
      Atomics.add(control, words.generation, 1);
      Atomics.notify(control, words.generation);
    }
    this.#kernels.run(name, task, this.#scratch);
    if (others > 0) await this.#othersDone();
  }

  async #othersDone(): Promise<void> {
    const control = this.#control;
    for (let look = 0; look < LOOKS; look++) {
      if (Atomics.load(control, words.working) === 0) return;
    }
    const { waitAsync } = Atomics as AsyncWait;
    for (;;) {
      const working = Atomics.load(control, words.working);
      if (working === 0) return;
      const wait = waitAsync?.(control, words.working, working);
      if (wait?.async === false) continue;
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        if (this.#failure !== undefined) reject(this.#failure.error);
        else if (wait === undefined) setTimeout(resolve, 0);
        else wait.value.then(() => resolve());
      });
    }
  }

  #onEnd(reason: string): void {
    if (this.#closing || this.#failure !== undefined) return;
    const error = new IoError(`A thread stopped: ${reason}.`, {
      hint: "If memory is short, use fewer jobs.",
    });
    this.#failure = { error };
    this.#fail(error);
  }

  async close(): Promise<void> {
    this.#closing = true;
    const control = this.#control;
    Atomics.store(control, words.kernel, -1);
    Atomics.add(control, words.generation, 1);
    Atomics.notify(control, words.generation);
    await Promise.all(this.#handles.map((handle) => handle.terminate()));
  }
}
