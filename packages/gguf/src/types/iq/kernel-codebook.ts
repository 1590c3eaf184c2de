/**
 * A codebook as the kernels in assembly/iq/nearest.ts and fours.ts read it, in bytes:
 *   map    i32 per group of levels, at Σ level i × 3^i (groups of 8) or Σ level i × 8^i (groups of 4): its code where it is
 *          on the grid, else −1 − (start of its list in units of 16 bytes × 64 + blocks in the list)
 *   grid   the values 2 × level + 1 of each code's group, one byte each
 *   lists  each from a multiple of 16 bytes on, its members nearest first, in blocks of 16:
 *          groups of 8   the low bytes of the members' words, then the high bytes. After the last block u16 codes.
 *                        Where a block has too few members, the rest has the level 3 throughout, which is infinitely far.
 *          groups of 4   i16 pairs: how many levels a member is above the missing group, and the square of that; four
 *                        members' first weights, their second, third and fourth, then the next four members. After the
 *                        last block i32 × 4: by how much members must differ (see fours.ts); then u16 codes. The rest of
 *                        a block repeats the last member, which never wins against itself.
 */
import { buildCodebook, decodedGrid, type GridShape } from "./codebook.ts";

/** The entries of the map, such that the grid after them starts at a multiple of 16 bytes. */
const EIGHTS_MAP_LENGTH = 6564;
const FOURS_MAP_LENGTH = 4096;

/** Members of a list that are measured at once. */
const PER_BLOCK = 16;

export function kernelCodebook(
  gaps: string,
  shape: GridShape,
  distanceCount: number,
): Uint8Array<ArrayBuffer> {
  const { codes, neighbours } = buildCodebook(gaps, shape, distanceCount);
  const { dimensions, bitWidth, levelCount } = shape;
  const ofEight = dimensions === 8;
  const grid = decodedGrid(
    gaps,
    shape,
    Array.from({ length: levelCount }, (_, level) => 2 * level + 1),
  );
  const gridStart = 4 * (ofEight ? EIGHTS_MAP_LENGTH : FOURS_MAP_LENGTH);
  const listStart = gridStart + grid.length;
  const memberByteLength = ofEight ? 2 : 16;
  const marginByteLength = ofEight ? 0 : 16;
  const blocksOf = (offset: number): number => Math.ceil(neighbours[offset]! / PER_BLOCK);
  const listByteLength = (blocks: number): number =>
    blocks * PER_BLOCK * (memberByteLength + 2) + marginByteLength;
  let byteLength = listStart;
  for (let offset = 0; offset < neighbours.length; offset += 1 + neighbours[offset]!) {
    byteLength += listByteLength(blocksOf(offset));
  }
  const bytes = new Uint8Array(byteLength);
  bytes.set(grid, gridStart);
  const map = new Int32Array(bytes.buffer, 0, gridStart / 4);
  const halves = new Int16Array(bytes.buffer);
  const mask = (1 << bitWidth) - 1;
  let at = listStart;
  for (let word = 0; word < codes.length; word++) {
    let index = 0;
    let valid = true;
    for (let i = dimensions - 1; i >= 0; i--) {
      const level = (word >> (bitWidth * i)) & mask;
      valid &&= level < levelCount;
      index = levelCount * index + level;
    }
    if (!valid) continue;
    const code = codes[word]!;
    if (code >= 0) {
      map[index] = code;
      continue;
    }
    const offset = -1 - code;
    const blocks = blocksOf(offset);
    map[index] = -1 - ((at / 16) * 64 + blocks);
    const members = neighbours.subarray(offset + 1, offset + 1 + neighbours[offset]!);
    const end = at + blocks * PER_BLOCK * memberByteLength;
    if (ofEight) placeEights(bytes, at, members);
    else {
      const margin = 2 * placeFours(halves, at / 2, members, word) + 8;
      for (let i = 0; i < 4; i++) halves[end / 2 + 2 * i] = margin;
    }
    for (let i = 0, to = (end + marginByteLength) / 2; i < blocks * PER_BLOCK; i++) {
      halves[to + i] = codes[members[i] ?? members.at(-1)!]!;
    }
    at += listByteLength(blocks);
  }
  return bytes;
}

function placeEights(bytes: Uint8Array, start: number, members: Uint16Array): void {
  const blocks = Math.ceil(members.length / PER_BLOCK);
  for (let i = 0; i < blocks * PER_BLOCK; i++) {
    const at = start + Math.floor(i / PER_BLOCK) * 2 * PER_BLOCK + (i % PER_BLOCK);
    const member = members[i] ?? 0xffff;
    bytes[at] = member;
    bytes[at + PER_BLOCK] = member >> 8;
  }
}

/** Returns the largest Σ steps² of a member. */
function placeFours(halves: Int16Array, start: number, members: Uint16Array, missing: number): number {
  const blocks = Math.ceil(members.length / PER_BLOCK);
  let farthest = 0;
  for (let i = 0; i < blocks * PER_BLOCK; i++) {
    const member = members[i] ?? members.at(-1)!;
    let distance = 0;
    for (let j = 0, at = start + 32 * (i >> 2) + 2 * (i & 3); j < 4; j++, at += 8) {
      const steps = ((member >> (3 * j)) & 7) - ((missing >> (3 * j)) & 7);
      halves[at] = steps;
      halves[at + 1] = steps * steps;
      distance += steps * steps;
    }
    farthest = Math.max(farthest, distance);
  }
  return farthest;
}
