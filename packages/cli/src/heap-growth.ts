import { setFlagsFromString } from "node:v8";

/**
 * Reading a vocabulary of 150,000 tokens makes V8's young generation grow to 48 MB, which it keeps to the end: as it is,
 * it holds all that a conversion makes and forgets. Collecting the old generation sooner, too, would save 20 MB, but cost
 * up to a quarter of a run's processor time.
 */
export function collectSooner(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
