/**
 * A codebook as the kernels in assembly/iq/nearest.ts read it, in bytes:
 *   map    i32 per group of levels, at Σ level i × 3^i (groups of 8) or Σ level i × 8^i (groups of 4): its code where it is
 *          on the grid, else −1 − (start of its list in units of 16 bytes × 64 + blocks in the list)
 *   grid   the values 2 × level + 1 of each code's group, one byte each
 *   lists  each from a multiple of 16 bytes on, its members nearest first, in blocks:
 *          groups of 8   16 members: the low bytes of their words, then the high bytes. After the last block u16 codes.
 *                        Where a block has too few members, the rest has the level 3 throughout, which is infinitely far.
 *          groups of 4   4 members: f32 values of their first weights, of their second, third and fourth. After the last
 *                        block u16 codes. The rest of a block repeats the first member, which never wins against itself.
 */
import { buildCodebook, decodedGrid, type GridShape } from "./codebook.ts";

/** The entries of the map, such that the grid after them starts at a multiple of 16 bytes. */
const EIGHTS_MAP_LENGTH = 6564;
const FOURS_MAP_LENGTH = 4096;

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
  const perBlock = ofEight ? 16 : 4;
  const blockByteLength = ofEight ? 32 : 64;
  const blocksOf = (offset: number): number => Math.ceil(neighbours[offset]! / perBlock);
  const listByteLength = (blocks: number): number =>
    16 * Math.ceil((blocks * (blockByteLength + 2 * perBlock)) / 16);
  let byteLength = listStart;
  for (let offset = 0; offset < neighbours.length; offset += 1 + neighbours[offset]!) {
    byteLength += listByteLength(blocksOf(offset));
  }
  const bytes = new Uint8Array(byteLength);
  bytes.set(grid, gridStart);
  const map = new Int32Array(bytes.buffer, 0, gridStart / 4);
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
    const memberCodes = new Uint16Array(bytes.buffer, at + blocks * blockByteLength, blocks * perBlock);
    for (let i = 0; i < blocks * perBlock; i++) {
      const block = at + Math.floor(i / perBlock) * blockByteLength;
      const lane = i % perBlock;
      if (ofEight) {
        const member = members[i] ?? 0xffff;
        bytes[block + lane] = member;
        bytes[block + 16 + lane] = member >> 8;
        memberCodes[i] = codes[member] ?? 0;
      } else {
        const member = members[i] ?? members[0]!;
        const memberValues = new Float32Array(bytes.buffer, block, 16);
        for (let j = 0; j < 4; j++) memberValues[4 * j + lane] = 2 * ((member >> (3 * j)) & 7) + 1;
        memberCodes[i] = codes[member]!;
      }
    }
    at += listByteLength(blocks);
  }
  return bytes;
}
