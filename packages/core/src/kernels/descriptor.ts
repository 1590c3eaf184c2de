import { DESCRIPTOR_ADDRESS, DESCRIPTOR_BYTE_LENGTH, kernelMemory } from "./memory.ts";

let words = /* @__PURE__ */ new Uint32Array(0);

/**
 * For a kernel that needs more than five numbers: it finds them in memory, 32 bits each, and is called with their address.
 * `inOrder` lists them in the order of the fields of a class in the kernel's AssemblyScript file (a test compares the two).
 * There is one place for all descriptors, so a descriptor lasts until the next one is placed.
 * @returns what writes the numbers and gives their address
 */
export function descriptor<Numbers>(
  inOrder: (numbers: Numbers) => readonly number[],
): (numbers: Numbers) => number {
  return (numbers) => {
    // memory that has grown takes its old views away
    if (words.length === 0) {
      words = new Uint32Array(kernelMemory().buffer, DESCRIPTOR_ADDRESS, DESCRIPTOR_BYTE_LENGTH / 4);
    }
    const list = inOrder(numbers);
    for (let i = 0; i < list.length; i++) words[i] = list[i]!;
    return DESCRIPTOR_ADDRESS;
  };
}
