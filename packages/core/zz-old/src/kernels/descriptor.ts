import { DESCRIPTOR_ADDRESS, DESCRIPTOR_BYTE_LENGTH, kernelMemory } from "./memory.ts";

let words = /* @__PURE__ */ new Uint32Array(0);

/**
 * For a kernel that needs more than five numbers: the numbers are in memory, 32 bits each, and the kernel gets their
 * address. `inOrder` lists them in the order of the fields of a class in the kernel's AssemblyScript file (a test
 * compares the two). All descriptors share one place in memory, so a descriptor is valid until the next one is written.
 * @returns a function that writes the numbers and returns their address; `memory` where the kernel has a memory of its own
 */
export function descriptor<Numbers>(
  inOrder: (numbers: Numbers) => readonly number[],
): (numbers: Numbers, memory?: ArrayBuffer) => number {
  return (numbers, memory) => {
    const list = inOrder(numbers);
    if (memory !== undefined) {
      new Uint32Array(memory, DESCRIPTOR_ADDRESS, list.length).set(list);
      return DESCRIPTOR_ADDRESS;
    }
    // views of memory become empty when the memory grows
    if (words.length === 0) {
      words = new Uint32Array(kernelMemory().buffer, DESCRIPTOR_ADDRESS, DESCRIPTOR_BYTE_LENGTH / 4);
    }
    for (let i = 0; i < list.length; i++) words[i] = list[i]!;
    return DESCRIPTOR_ADDRESS;
  };
}
