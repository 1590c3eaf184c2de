import { kernelMemory } from "./memory.ts";
import { kernelsAreInstalled } from "./switch.ts";

/** An exported kernel: addresses in the shared memory and counts in, nothing or a number out. */
export type Kernel = (...operands: number[]) => number;

/** The kernels of one package. */
export interface KernelModule {
  /** The kernel exported as `name`; undefined where there is none, where kernels are off, or where they cannot run. */
  kernel(name: string): Kernel | undefined;
}

/** Bytes that kernels need in memory and that TypeScript makes: the module exports a function that says where. */
export interface KernelTable {
  readonly addressExport: string;
  readonly make: () => Uint8Array | Int8Array;
}

/**
 * The kernels in `wasm`, base64: compiled at first use, synchronously, since codecs are synchronous. `tables`, by the
 * names of the kernels that need them, are made when such a kernel is first asked for.
 */
export function kernelModule(wasm: string, tables: Readonly<Record<string, KernelTable>> = {}): KernelModule {
  let exports: WebAssembly.Exports | undefined;
  const filled = new Set<string>();
  return {
    kernel(name) {
      if (!kernelsAreInstalled()) return undefined;
      exports ??= instantiate(wasm);
      const found = exported(exports, name);
      const table = tables[name];
      if (found !== undefined && table !== undefined && !filled.has(table.addressExport)) {
        const address = exported(exports, table.addressExport)?.();
        if (address === undefined) return undefined;
        const bytes = table.make();
        new Uint8Array(kernelMemory().buffer, address, bytes.length).set(bytes);
        filled.add(table.addressExport);
      }
      return found;
    },
  };
}

function exported(exports: WebAssembly.Exports, name: string): Kernel | undefined {
  const found = exports[name];
  return typeof found === "function" ? (found as Kernel) : undefined;
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
