/**
 * The lookup that the quantizers need for a grid: from any group of levels to its code, or to the nearest groups on the
 * grid. Source: ggml, src/ggml-quants.c (iq2xs_init_impl, iq3xs_init_impl).
 */
import { unpackGrid } from "./grids.ts";

/** How the groups of a grid are packed in words. */
export interface GridShape {
  /** Weights per group. */
  readonly dimensions: 8 | 4;
  /** Bits per level in a word. */
  readonly bitWidth: 2 | 3;
  readonly levelCount: 3 | 8;
}

/** Eight weights of three levels, as in IQ1 and IQ2. */
export const EIGHT_OF_THREE: GridShape = { dimensions: 8, bitWidth: 2, levelCount: 3 };

/** Four weights of eight levels, as in IQ3. */
export const FOUR_OF_EIGHT: GridShape = { dimensions: 4, bitWidth: 3, levelCount: 8 };

export interface Codebook extends GridShape {
  /** By word: the code of that group, or −1 − offset in `neighbours` where the grid lacks it. */
  readonly codes: Int32Array;
  /** Lists of the grid's words around a missing one, nearest first, equally near ones by code; length before each. */
  readonly neighbours: Uint16Array;
}

/** `make()`, called the first time only. */
export function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * The codebook of a grid. For a missing group it lists all groups at the `distanceCount` least distances (sums of squared
 * level differences).
 */
export function buildCodebook(gaps: string, shape: GridShape, distanceCount: number): Codebook {
  const words = unpackGrid(gaps);
  const halfBits = (shape.bitWidth * shape.dimensions) / 2;
  const halfMask = (1 << halfBits) - 1;
  const halves = halfWords(shape);
  const halfDistances = distancesOfHalves(shape, halves, halfBits);
  const codes = new Int32Array(1 << (2 * halfBits));
  words.forEach((word, code) => {
    codes[word] = code + 1; // 0 is "missing" until the lists are made
  });
  const distances = new Uint8Array(words.length);
  const ends = new Int32Array(256);
  let neighbours = new Uint16Array(1 << 16);
  let used = 0;
  for (const high of halves) {
    for (const low of halves) {
      const missing = low | (high << halfBits);
      if (codes[missing] !== 0) continue;
      // Order by (distance, code): a counting sort keeps the codes in order.
      ends.fill(0);
      for (let code = 0; code < words.length; code++) {
        const word = words[code]!;
        const distance =
          halfDistances[(low << halfBits) | (word & halfMask)]! +
          halfDistances[(high << halfBits) | (word >> halfBits)]!;
        distances[code] = distance;
        ends[distance]!++;
      }
      let count = 0;
      let farthest = -1;
      for (let left = distanceCount; left > 0 && farthest < 255; ) {
        const here = ends[++farthest]!;
        ends[farthest] = count;
        count += here;
        if (here > 0) left--;
      }
      while (used + 1 + count > neighbours.length) {
        const larger = new Uint16Array(2 * neighbours.length);
        larger.set(neighbours);
        neighbours = larger;
      }
      neighbours[used] = count;
      for (let code = 0; code < words.length; code++) {
        const distance = distances[code]!;
        if (distance > farthest) continue;
        neighbours[used + 1 + ends[distance]!] = words[code]!;
        ends[distance]!++;
      }
      codes[missing] = -1 - used;
      used += 1 + count;
    }
  }
  words.forEach((word, code) => {
    codes[word] = code;
  });
  return { ...shape, codes, neighbours: neighbours.slice(0, used) };
}

/** The values of each code's group, one weight after the other; `values` are those of the levels. */
export function decodedGrid(gaps: string, shape: GridShape, values: readonly number[]): Int8Array {
  const { dimensions, bitWidth } = shape;
  const words = unpackGrid(gaps);
  const decoded = new Int8Array(words.length * dimensions);
  const mask = (1 << bitWidth) - 1;
  words.forEach((word, code) => {
    for (let i = 0; i < dimensions; i++) {
      decoded[code * dimensions + i] = values[(word >> (bitWidth * i)) & mask]!;
    }
  });
  return decoded;
}

/** Every half word whose levels all exist. */
function halfWords({ dimensions, bitWidth, levelCount }: GridShape): number[] {
  let halves = [0];
  for (let i = 0; i < dimensions / 2; i++) {
    halves = Array.from({ length: levelCount }, (_, level) =>
      halves.map((word) => word | (level << (bitWidth * i))),
    ).flat();
  }
  return halves;
}

/** By (half << halfBits | other half). */
function distancesOfHalves(shape: GridShape, halves: readonly number[], halfBits: number): Uint8Array {
  const mask = (1 << shape.bitWidth) - 1;
  const distances = new Uint8Array(1 << (2 * halfBits));
  for (const a of halves) {
    for (const b of halves) {
      let sum = 0;
      for (let shift = 0; shift < halfBits; shift += shape.bitWidth) {
        sum += (((a >> shift) & mask) - ((b >> shift) & mask)) ** 2;
      }
      distances[(a << halfBits) | b] = sum;
    }
  }
  return distances;
}
