/**
 * The search for hidden grids, one thread, in memory: GB/s of the floats as they are stored. Not part of `pnpm bench`.
 *   node --conditions=@requant/source bench/hidden-grids.ts
 */
import { BF16, type BlockCodec, F32 } from "@requant/core";
import { installKernels, uninstallKernels } from "@requant/core/kernels";
import { GridSearch, type HidingType, PROBE_ROWS } from "@requant/core/view";
import { randomNumbers } from "./random.ts";

const ROWS = 1024;
const COLUMNS = 4096;
const REPEATS = 5;

interface Case {
  readonly name: string;
  readonly type: HidingType & ("F32" | "BF16");
  readonly value: (scale: number) => number;
  readonly groupSize: number;
}

const random = randomNumbers(88172645);
const codes = (bits: number): ((scale: number) => number) => {
  return (scale) => scale * (Math.floor(random() * 2 ** bits) - 2 ** (bits - 1));
};
const ordinary = (): number =>
  0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const cases: readonly Case[] = [
  { name: "ordinary weights", type: "BF16", value: ordinary, groupSize: COLUMNS },
  { name: "4 bits, groups of 128", type: "BF16", value: codes(4), groupSize: 128 },
  { name: "4 bits, groups of 32", type: "BF16", value: codes(4), groupSize: 32 },
  { name: "4 bits, groups of 128", type: "F32", value: codes(4), groupSize: 128 },
  { name: "8 bits, one group per row", type: "F32", value: codes(8), groupSize: COLUMNS },
];

const CODECS: Readonly<Record<"F32" | "BF16", BlockCodec>> = { F32, BF16 };

function storedFloats({ type, value, groupSize }: Case): Uint8Array {
  const values = new Float32Array(ROWS * COLUMNS);
  for (let start = 0; start < values.length; start += groupSize) {
    // 11 bits: an f16 number
    const scale = (1024 + Math.floor(random() * 1024)) * 2 ** -20;
    for (let i = start; i < start + groupSize; i++) values[i] = value(scale);
  }
  const codec = CODECS[type];
  const bytes = new Uint8Array(values.length * codec.blockByteLength);
  codec.quantize?.(values, COLUMNS, bytes);
  return bytes;
}

const memory = new Float32Array(128 * COLUMNS);

/** Decodes and searches, as a plan does with each band. */
function search(bytes: Uint8Array, type: "F32" | "BF16"): boolean {
  const codec = CODECS[type];
  const rowByteLength = COLUMNS * codec.blockByteLength;
  const rowsOf = (start: number, end: number): Float32Array => {
    const values = memory.subarray(0, (end - start) * COLUMNS);
    codec.dequantize(bytes.subarray(start * rowByteLength, end * rowByteLength), values);
    return values;
  };
  const grids = new GridSearch(ROWS, COLUMNS, type);
  if (!grids.probe(rowsOf(0, PROBE_ROWS)) || !grids.begin()) return false;
  const band = Math.max(16, grids.bandMultiple);
  for (let row = 0; row < ROWS; row += band) if (!grids.add(rowsOf(row, row + band))) return false;
  return grids.end() !== undefined;
}

for (const install of [uninstallKernels, installKernels]) {
  install();
  console.log(install === installKernels ? "with SIMD kernels" : "TypeScript alone");
  for (const one of cases) {
    const bytes = storedFloats(one);
    let least = Number.POSITIVE_INFINITY;
    let found = false;
    for (let i = 0; i < REPEATS; i++) {
      const before = process.cpuUsage();
      found = search(bytes, one.type);
      const { user, system } = process.cpuUsage(before);
      least = Math.min(least, (user + system) / 1e6);
    }
    const rate = bytes.length / least / 1e9;
    console.log(`  ${one.type}, ${one.name}: ${found ? "found" : "none"}, ${rate.toFixed(2)} GB/s`);
  }
}
