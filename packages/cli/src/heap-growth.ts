import { setFlagsFromString } from "node:v8";

/**
 * Reading a vocabulary of 150,000 tokens makes V8's young generation grow to 48 MB, which it keeps to the end, and lets
 * the heap grow to four times what is alive. Collecting sooner costs up to a tenth of the processor time and keeps models of
 * thousands of tensors within their bound of memory.
 */
export function collectSooner(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=60");
}
