import { kernelMemory } from "./memory.ts";
import { kernelsAreInstalled } from "./switch.ts";

/** An exported kernel: addresses in the shared memory and counts in, nothing or a number out. */
export type Kernel = (...operands: number[]) => number;

/** The kernels of one package. */
export interface KernelModule {
  /** The kernel exported as `name`; undefined where there is none, where kernels are off, or where they cannot run. */
  kernel(name: string): Kernel | undefined;
}

/** The kernels in `wasm`, base64: compiled at first use, synchronously, since codecs are synchronous. */
export function kernelModule(wasm: string): KernelModule {
  let exports: WebAssembly.Exports | undefined;
  return {
    kernel(name) {
      if (!kernelsAreInstalled()) return undefined;
      exports ??= instantiate(wasm);
      const found = exports[name];
      return typeof found === "function" ? (found as Kernel) : undefined;
    },
  };
}

/** No exports at all where the engine refuses, as a content security policy without `wasm-unsafe-eval` makes it do. */
function instantiate(wasm: string): WebAssembly.Exports {
  try {
    const bytes = Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0));
    const module = new WebAssembly.Module(bytes);
    return new WebAssembly.Instance(module, { env: { memory: kernelMemory() } }).exports;
  } catch {
    return {};
  }
}
