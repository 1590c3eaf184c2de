import { kernelsAreInstalled } from "@requant/core/kernels";
import { wasm as fixedWasm } from "../generated/kernels.ts";
import { wasm as relaxedWasm } from "../generated/relaxed-kernels.ts";
import type { KernelName } from "./tasks.ts";

/** A compiled module; threads get it with their first message. */
export interface MatrixModule {
  readonly module: WebAssembly.Module;
  /** Whether products and sums are fused, which changes last bits. */
  readonly fused: boolean;
}

/** The kernels of one thread. */
export interface MatrixKernels {
  readonly scratchByteLength: number;
  run(name: KernelName, task: number, scratch: number): void;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * The fastest module that this engine has the instructions for; undefined where it has no SIMD or no shared memory, or may
 * not compile. `fused` false: the module whose bits are the same on every machine.
 */
export function compileMatrixKernels(fused = true): MatrixModule | undefined {
  if (!kernelsAreInstalled()) return undefined;
  try {
    const relaxed = bytesOf(relaxedWasm);
    if (fused && WebAssembly.validate(relaxed)) {
      return { module: new WebAssembly.Module(relaxed), fused: true };
    }
    return { module: new WebAssembly.Module(bytesOf(fixedWasm)), fused: false };
  } catch {
    return undefined;
  }
}

/** The module at work on a memory. */
export function startMatrixKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): MatrixKernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const call = (name: string, ...operands: number[]): number => {
    const kernel = exports[name];
    if (typeof kernel !== "function") throw new Error(`The module has no kernel ${name}.`);
    return kernel(...operands);
  };
  return {
    scratchByteLength: call("scratchByteLength"),
    run: (name, task, scratch) => void call(name, task, scratch),
  };
}
