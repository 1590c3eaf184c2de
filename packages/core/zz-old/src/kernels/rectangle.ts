import { kernelAddress, kernelMemory, scratchOffset } from "./memory.ts";

/** Lines of equal length, equally spaced in an array. All in elements of it. */
export interface Lines {
  readonly start: number;
  readonly step: number;
  readonly lines: number;
  readonly length: number;
}

/** Lines of an array in the kernels' memory. The step is in bytes. */
export interface Rectangle {
  readonly address: number;
  readonly step: number;
  /** Copies the array's numbers into the kernels' memory, unless they are there already. */
  load(): void;
  /** Copies the numbers back to the array, unless the array itself is in the kernels' memory. */
  save(): void;
}

/** Lines in place, where the array lies in the memory of the kernels, else in a scratch area, which must be long enough. */
export function rectangle<T extends Uint8Array | Uint32Array>(
  array: T,
  { start, step, lines, length }: Lines,
  scratch: 0 | 1,
): Rectangle {
  const width = array.BYTES_PER_ELEMENT;
  const inside = kernelAddress(array);
  if (inside !== undefined) {
    return { address: inside + width * start, step: width * step, load: nothing, save: nothing };
  }
  const address = scratchOffset(scratch);
  const { buffer } = kernelMemory();
  const copy =
    width === 4
      ? new Uint32Array(buffer, address, lines * length)
      : new Uint8Array(buffer, address, lines * length);
  return {
    address,
    step: width * length,
    load() {
      for (let line = 0; line < lines; line++) {
        const at = start + line * step;
        copy.set(array.subarray(at, at + length), line * length);
      }
    },
    save() {
      for (let line = 0; line < lines; line++) {
        array.set(copy.subarray(line * length, (line + 1) * length), start + line * step);
      }
    },
  };
}

function nothing(): void {}
