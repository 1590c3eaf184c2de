/** GPTQ and AWQ weights: to f32, and to ggml blocks that keep every value. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { awqCodec } from "@requant/awq";
import { F16 } from "@requant/core";
import {
  allocateParts,
  type LinearCodec,
  type LinearLayout,
  type LinearWeight,
  type PartBytes,
} from "@requant/core/format";
import { blockRowsByteLength, viewTypeByName, weightToBlocks } from "@requant/gguf";
import { gptqCodec } from "@requant/gptq";
import koffi from "koffi";
import { childPath } from "./child-process.ts";
import { type Contender, type InterleaveOptions, interleave } from "./interleave.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";
import { sampleBuffer } from "./sample-buffer.ts";
import { openSample, sameBits, type WeightSample, withoutKernels } from "./weight-sample.ts";

const GROUP_SIZE = 128;

/** Random codes, zero points as `zero` says, scales around 0.01. */
function fill(parts: Record<string, Uint8Array>, zero: (random: () => number) => number): PartBytes {
  const random = randomNumbers(11);
  for (const [suffix, bytes] of Object.entries(parts)) {
    if (suffix === "scales") {
      const scales = Float32Array.from({ length: bytes.length / 2 }, () => 0.005 + 0.01 * random());
      F16.quantize?.(scales, scales.length, bytes);
    } else
      for (let i = 0; i < bytes.length; i++) bytes[i] = suffix === "qzeros" ? zero(random) : 256 * random();
  }
  return parts;
}

/** The parts of a layout with such numbers, opened. */
function sampleOf<Layout extends LinearLayout, Claims>(
  codec: LinearCodec<Layout, Claims>,
  layout: Layout,
  zero: (random: () => number) => number,
): WeightSample<LinearWeight> {
  return openSample(codec, layout, fill(allocateParts(codec.parts(layout)), zero));
}

/** Symmetric: every zero point is 8, stored as 7. */
function gptqWeight(rows: number, columns: number): WeightSample<LinearWeight> {
  const groups = columns / GROUP_SIZE;
  const layout = gptqCodec.readLayout(
    [
      { suffix: "qweight", encoding: "I32", shape: [columns / 8, rows] },
      { suffix: "qzeros", encoding: "I32", shape: [groups, rows / 8] },
      { suffix: "scales", encoding: "F16", shape: [groups, rows] },
    ],
    { groupSize: GROUP_SIZE, sym: true, checkpointFormat: "gptq", quantizer: [] },
  );
  return sampleOf(gptqCodec, layout, () => 0x77);
}

function awqWeight(rows: number, columns: number): WeightSample<LinearWeight> {
  const groups = columns / GROUP_SIZE;
  const layout = awqCodec.readLayout(
    [
      { suffix: "qweight", encoding: "I32", shape: [columns, rows / 8] },
      { suffix: "qzeros", encoding: "I32", shape: [groups, rows / 8] },
      { suffix: "scales", encoding: "F16", shape: [groups, rows] },
    ],
    { groupSize: GROUP_SIZE, version: "gemm" },
  );
  return sampleOf(awqCodec, layout, (random) => 256 * random());
}

type NaiveGptq = (
  qweight: Uint8Array,
  qzeros: Uint8Array,
  scales: Uint8Array,
  rows: number,
  columns: number,
  groupSize: number,
  out: Float32Array,
) => void;

/** Compiled here where there is a C compiler: no library that npm has does this. */
function naiveGptq(folder: string): NaiveGptq | undefined {
  const library = join(folder, "naive-gptq.so");
  try {
    execFileSync("cc", ["-O2", "-shared", "-fPIC", "-o", library, childPath("naive-gptq.c")], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  return koffi
    .load(library)
    .func(
      "void dequantize_gptq4(const void *qweight, const void *qzeros, const void *scales, int rows, int columns, int groupSize, void *out)",
    );
}

export function measureLinear(folder: string, options: InterleaveOptions): Measurement[] {
  return [
    ...toFloats(folder, options),
    ...toBlocks("gptq", "Q4_0", options),
    ...toBlocks("awq", "Q5_0", options),
  ];
}

function toFloats(folder: string, options: InterleaveOptions): Measurement[] {
  const [rows, columns] = [256, 512];
  const values = sampleBuffer(4 * rows * columns);
  const { bytes, weight, plainWeight, release } = gptqWeight(rows, columns);
  const naive = naiveGptq(folder);
  const out = values.floats();
  const plainOut = new Float32Array(rows * columns);
  const naiveOut = new Float32Array(rows * columns);
  const { qweight, qzeros, scales } = bytes as Record<string, Uint8Array>;
  const contenders: Contender[] = [
    { name: "TypeScript", run: withoutKernels(() => plainWeight.dequantize(0, rows, plainOut)) },
    { name: "SIMD", run: () => weight.dequantize(0, rows, out) },
  ];
  if (naive !== undefined && qweight && qzeros && scales) {
    const run = (): void => naive(qweight, qzeros, scales, rows, columns, GROUP_SIZE, naiveOut);
    contenders.unshift({ name: "naive C", run });
  }
  for (const { run } of contenders) run();
  const same = (floats: Float32Array): boolean => sameBits(floats, plainOut);
  const checked = contenders.map((contender) => ({
    ...contender,
    ...(contender.name === "naive C" ? { same: same(naiveOut) } : {}),
    ...(contender.name === "SIMD" ? { same: same(out) } : {}),
  }));
  const found = interleave("linear", "GPTQ 4-bit → f32", 4 * rows * columns, checked, options);
  release();
  values.release();
  return found;
}

/** Bytes of the source weight, for the copy and for the rate. */
function toBlocks(name: "gptq" | "awq", typeName: string, options: InterleaveOptions): Measurement[] {
  // beyond cache
  const [rows, columns] = [8192, 8192];
  const type = viewTypeByName(typeName);
  const blocks = sampleBuffer(blockRowsByteLength(type, rows, columns));
  const { bytes, weight, plainWeight, release } =
    name === "gptq" ? gptqWeight(rows, columns) : awqWeight(rows, columns);
  const out = blocks.bytes();
  const plainOut = new Uint8Array(out.length);
  const parts = Object.values(bytes);
  const copies = parts.map((part) => new Uint8Array(part.length));
  const byteLength = parts.reduce((sum, part) => sum + part.length, 0);
  const simd = (): void => weightToBlocks(type, weight, 0, rows, out);
  const plain = withoutKernels(() => weightToBlocks(type, plainWeight, 0, rows, plainOut));
  simd();
  plain();
  const same = Buffer.compare(out, plainOut) === 0;
  const found = interleave(
    "linear",
    `${name.toUpperCase()} 4-bit → ${typeName}`,
    byteLength,
    [
      {
        name: "copy",
        run() {
          for (const [i, part] of parts.entries()) copies[i]?.set(part);
        },
      },
      { name: "TypeScript", run: plain },
      { name: "SIMD", run: simd, same },
    ],
    options,
  );
  release();
  blocks.release();
  return found;
}
