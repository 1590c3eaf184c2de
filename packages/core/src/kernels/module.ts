import { fromBase64 } from "./base64.ts";
import { kernelMemory, placeTable } from "./memory.ts";
import { kernelsAreInstalled } from "./switch.ts";

/** An exported kernel: it takes addresses in the shared memory and counts, and returns nothing or a number. */
export type Kernel = (...operands: number[]) => number;

/** The kernels of one package. */
export interface KernelModule {
  /** The kernel exported as `name`; undefined where there is none, where kernels are off, or where they cannot run. */
  kernel(name: string): Kernel | undefined;
}

/** Bytes that kernels need in memory and that TypeScript makes. */
export interface KernelTable {
  /**
   * Where the bytes go: `says` is an export that returns the module's address for them; `isTold`, for tables too large
   * for the module's own range, is an export that receives the address of the table.
   */
  readonly export: { readonly says: string } | { readonly isTold: string };
  /** Makes the bytes. Called once, before the first kernel that needs them. */
  readonly make: () => Uint8Array | Int8Array;
}

/**
 * The kernels in `wasm`, base64: compiled at first use, synchronously, since codecs are synchronous. `tables`, by the
 * names of the kernels that need them, are made when such a kernel is first used.
 */
export function kernelModule(wasm: string, tables: Readonly<Record<string, KernelTable>> = {}): KernelModule {
  let exports: WebAssembly.Exports | undefined;
  /** Kernels that were asked for before, with their tables. */
  const ready = new Map<string, Kernel>();
  const filled = new Set<string>();

  function prepared(name: string): Kernel | undefined {
    exports ??= instantiate(wasm);
    const found = exported(exports, name);
    const table = tables[name];
    if (found === undefined || table === undefined) return found;
    const place = table.export;
    const placeName = "says" in place ? place.says : place.isTold;
    if (filled.has(placeName)) return found;
    const ask = exported(exports, placeName);
    if (ask === undefined) return undefined;
    const bytes = table.make();
    const address = "says" in place ? ask() : placeTable(bytes.length);
    if (address === undefined) return undefined;
    new Uint8Array(kernelMemory().buffer, address, bytes.length).set(bytes);
    if ("isTold" in place) ask(address);
    filled.add(placeName);
    return found;
  }

  return {
    kernel(name) {
      if (!kernelsAreInstalled()) return undefined;
      const known = ready.get(name);
      if (known !== undefined) return known;
      const kernel = prepared(name);
      if (kernel !== undefined) ready.set(name, kernel);
      return kernel;
    },
  };
}

function exported(exports: WebAssembly.Exports, name: string): Kernel | undefined {
  const found = exports[name];
  return typeof found === "function" ? (found as Kernel) : undefined;
}

/**
 * No exports where the engine refuses to compile, for example under a content security policy without `wasm-unsafe-eval`.
 */
function instantiate(wasm: string): WebAssembly.Exports {
  try {
    const module = new WebAssembly.Module(fromBase64(wasm));
    return new WebAssembly.Instance(module, { env: { memory: kernelMemory() } }).exports;
  } catch {
    return {};
  }
}
