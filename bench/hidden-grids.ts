/** The search for hidden grids, one thread, in memory: GB/s of the floats as they are stored. */

import { BF16, type BlockCodec, F32 } from "@requant/core";
import { E2M1_VALUES, E4M3_VALUES } from "@requant/core/numeric";
import { type FoundGrid, GridSearch, type HidingType, PROBE_ROWS } from "@requant/core/view";
import { type InterleaveOptions, interleave } from "./interleave.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";
import { sampleBuffer } from "./sample-buffer.ts";
import { withoutKernels } from "./weight-sample.ts";

const ROWS = 1024;
const COLUMNS = 4096;

interface Case {
  readonly name: string;
  readonly type: HidingType & ("F32" | "BF16");
  readonly blockRows?: number;
  readonly groupSize: number;
  readonly scale: () => number;
  readonly value: (scale: number) => number;
}

const random = randomNumbers(88172645);
const codes = (bits: number): ((scale: number) => number) => {
  return (scale) => scale * (Math.floor(random() * 2 ** bits) - 2 ** (bits - 1));
};
const levels = (table: Float32Array): ((scale: number) => number) => {
  const numbers = table.filter((level) => !Number.isNaN(level));
  return (scale) => Math.fround(scale * (numbers[Math.floor(random() * numbers.length)] ?? 0));
};
const ordinary = (): number =>
  0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** 11 bits: an f16 number. */
const half = (): number => (1024 + Math.floor(random() * 1024)) * 2 ** -20;
/** Bits 11 to 23 are random, too. */
const single = (): number => Math.fround(half() * (1 + random() / 1024));
/** Numbers of E4M3 that a quantizer uses, so that the largest one occurs, times the tensor's factor. */
const NVFP4_FACTOR = 2 ** -13;
const small = (): number => NVFP4_FACTOR * (E4M3_VALUES[64 + Math.floor(random() * 63)] ?? 1);

const BF16_CASES: readonly Omit<Case, "type">[] = [
  { name: "ordinary weights", groupSize: COLUMNS, scale: half, value: ordinary },
  { name: "4 bits, groups of 128", groupSize: 128, scale: half, value: codes(4) },
  { name: "4 bits, groups of 32", groupSize: 32, scale: half, value: codes(4) },
  { name: "8 bits, groups of 128", groupSize: 128, scale: half, value: codes(8) },
  { name: "8 bits, groups of 32", groupSize: 32, scale: half, value: codes(8) },
  { name: "8 bits, one group per row", groupSize: COLUMNS, scale: half, value: codes(8) },
  {
    name: "FP8, blocks of 128 × 128",
    blockRows: 128,
    groupSize: 128,
    scale: single,
    value: levels(E4M3_VALUES),
  },
  { name: "FP8, one group per row", groupSize: COLUMNS, scale: single, value: levels(E4M3_VALUES) },
  {
    name: "MXFP4",
    groupSize: 32,
    scale: () => 2 ** -Math.ceil(4 + 8 * random()),
    value: levels(E2M1_VALUES),
  },
  { name: "NVFP4", groupSize: 16, scale: small, value: levels(E2M1_VALUES) },
];

const cases: readonly Case[] = [
  ...BF16_CASES.map((one): Case => ({ ...one, type: "BF16" })),
  { name: "4 bits, groups of 128", type: "F32", groupSize: 128, scale: half, value: codes(4) },
  { name: "8 bits, one group per row", type: "F32", groupSize: COLUMNS, scale: half, value: codes(8) },
];

const CODECS: Readonly<Record<"F32" | "BF16", BlockCodec>> = { F32, BF16 };

function storedFloats({ type, blockRows = 1, groupSize, scale, value }: Case): Uint8Array {
  const values = new Float32Array(ROWS * COLUMNS);
  for (let row = 0; row < ROWS; row += blockRows) {
    for (let column = 0; column < COLUMNS; column += groupSize) {
      const own = scale();
      for (let inner = row; inner < row + blockRows; inner++) {
        const start = inner * COLUMNS + column;
        for (let i = start; i < start + groupSize; i++) values[i] = value(own);
      }
    }
  }
  const codec = CODECS[type];
  const bytes = new Uint8Array(values.length * codec.blockByteLength);
  codec.quantize?.(values, COLUMNS, bytes);
  return bytes;
}

/** Decodes and searches, as a plan does with each band. */
function search(bytes: Uint8Array, type: "F32" | "BF16", memory: Float32Array): FoundGrid | undefined {
  const codec = CODECS[type];
  const rowByteLength = COLUMNS * codec.blockByteLength;
  const rowsOf = (start: number, end: number): Float32Array => {
    const values = memory.subarray(0, (end - start) * COLUMNS);
    codec.dequantize(bytes.subarray(start * rowByteLength, end * rowByteLength), values);
    return values;
  };
  const grids = new GridSearch(ROWS, COLUMNS, type);
  if (!grids.probe(rowsOf(0, PROBE_ROWS)) || !grids.begin()) return undefined;
  const band = Math.max(16, grids.bandMultiple);
  for (let row = 0; row < ROWS; row += band) if (!grids.add(rowsOf(row, row + band))) return undefined;
  const found = grids.end();
  return found === "again" ? undefined : found;
}

/** Each case in TypeScript alone and with its kernels, which must find the same grid. */
export function* measureHiddenGrids(options: InterleaveOptions): Generator<Measurement[]> {
  const buffer = sampleBuffer(4 * 128 * COLUMNS);
  const memory = buffer.floats();
  for (const one of cases) {
    const bytes = storedFloats(one);
    const isOrdinary = one.value === ordinary;
    if ((search(bytes, one.type, memory) === undefined) !== isOrdinary)
      throw new Error(`${one.name}: another grid.`);
    const plain = JSON.stringify(withoutKernels(() => search(bytes, one.type, memory))());
    const contenders = [
      { name: "TypeScript", run: withoutKernels(() => search(bytes, one.type, memory)) },
      {
        name: "SIMD",
        run: () => search(bytes, one.type, memory),
        same: JSON.stringify(search(bytes, one.type, memory)) === plain,
      },
    ];
    yield interleave("hidden-grids", `${one.type}, ${one.name}`, bytes.length, contenders, options);
  }
  buffer.release();
}
