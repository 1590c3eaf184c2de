import { simdIsSupported } from "./simd.ts";

let installed = true;

/**
 * Lets codecs use their SIMD kernels from now on, which is the state in which a program starts. The bytes are the same
 * either way. Where the engine has no SIMD, or a page's content security policy lacks `wasm-unsafe-eval`, the TypeScript
 * codecs are used.
 */
export function installKernels(): void {
  installed = true;
}

/** Makes every codec run in TypeScript alone, to compare and to measure. */
export function uninstallKernels(): void {
  installed = false;
}

/** Whether kernels are switched on and this engine has SIMD. */
export function kernelsAreInstalled(): boolean {
  return installed && simdIsSupported();
}
