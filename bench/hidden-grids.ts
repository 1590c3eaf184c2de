/** The search for hidden grids, one thread, in memory: GB/s of the floats as they are stored. */
import { BF16, type BlockCodec, F32 } from "@requant/core";
import { allocateKernelBuffer } from "@requant/core/kernels";
import { type FoundGrid, GridSearch, type HidingType, PROBE_ROWS } from "@requant/core/view";
import { type InterleaveOptions, interleave } from "./interleave.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";
import { withoutKernels } from "./weight-sample.ts";

const ROWS = 1024;
const COLUMNS = 4096;

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
  { name: "8 bits, groups of 32", type: "BF16", value: codes(8), groupSize: 32 },
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

const memory = allocateKernelBuffer(4 * 128 * COLUMNS).floats();

/** Decodes and searches, as a plan does with each band. */
function search(bytes: Uint8Array, type: "F32" | "BF16"): FoundGrid | undefined {
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
  for (const one of cases) {
    const bytes = storedFloats(one);
    const plain = JSON.stringify(withoutKernels(() => search(bytes, one.type))());
    const contenders = [
      { name: "TypeScript", run: withoutKernels(() => search(bytes, one.type)) },
      {
        name: "SIMD",
        run: () => search(bytes, one.type),
        same: JSON.stringify(search(bytes, one.type)) === plain,
      },
    ];
    yield interleave("hidden-grids", `${one.type}, ${one.name}`, bytes.length, contenders, options);
  }
}
