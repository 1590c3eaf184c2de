import { setFlagsFromString } from "node:v8";

/** Threads that load their code. */
let starting = 0;

/**
 * Reading a vocabulary of 150,000 tokens makes V8's young generation grow to 48 MB, which it keeps to the end, and lets
 * the heap grow to four times what is alive. Collecting sooner costs up to a tenth of the processor time and keeps models of
 * thousands of tensors within their bound of memory. Called when a model is opened, not before: most of what loading the command
 * allocates stays alive, and the compiled code that is in Node is used only under V8's own settings.
 */
export function collectSooner(): void {
  const [factor, percent] = starting === 0 ? [1, 30] : [2, 0];
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/**
 * While a thread starts, V8 has its own settings: under others it does not use the compiled code that is in Node, of which a
 * thread needs a hundred modules.
 * @returns a function that ends this
 */
export function startingThread(): () => void {
  starting += 1;
  collectSooner();
  let isStarting = true;
  return () => {
    if (!isStarting) return;
    isStarting = false;
    starting -= 1;
    collectSooner();
  };
}
