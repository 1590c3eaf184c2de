import { DESCRIPTOR_ADDRESS, DESCRIPTOR_BYTE_LENGTH, kernelMemory } from "./memory.ts";

/** Writes what a kernel must know to where it reads that. @returns the address, which is all that the kernel is called with */
export type PlaceDescriptor<Name extends string> = (numbers: Readonly<Record<Name, number>>) => number;

const MOST_NUMBERS = DESCRIPTOR_BYTE_LENGTH / 4;

let words = /* @__PURE__ */ new Uint32Array(0);

/**
 * For a kernel that needs more than five numbers: it finds them in memory, 32 bits each. `names` are the fields of a class in
 * the kernel's AssemblyScript file, in the same order (a test compares the two). There is one place for all descriptors,
 * so a descriptor lasts until the next one is placed.
 */
export function descriptor<const Name extends string>(names: readonly Name[]): PlaceDescriptor<Name> {
  return (numbers) => {
    const { buffer } = kernelMemory();
    // memory that has grown has another buffer
    if (words.buffer !== buffer) words = new Uint32Array(buffer, DESCRIPTOR_ADDRESS, MOST_NUMBERS);
    for (let i = 0; i < names.length; i++) words[i] = numbers[names[i]!];
    return DESCRIPTOR_ADDRESS;
  };
}
