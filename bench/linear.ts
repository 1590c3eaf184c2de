/** GPTQ and AWQ weights: to f32, and to ggml blocks that keep every value. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { awqCodec } from "@requant/awq";
import {
  allocateParts,
  F16,
  installKernels,
  type LinearLayout,
  type LinearWeight,
  type PartBytes,
  uninstallKernels,
} from "@requant/core";
import { blockRowsByteLength, gridToBlocks, gridTypeByName } from "@requant/gguf";
import { gptqCodec } from "@requant/gptq";
import koffi from "koffi";
import { childPath } from "./child-process.ts";
import { type Contender, type InterleaveOptions, interleave } from "./interleave.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";

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

/** Symmetric: every zero point is 8, stored as 7. */
function gptqWeight(
  rows: number,
  columns: number,
): { layout: LinearLayout; bytes: PartBytes; weight: LinearWeight } {
  const groups = columns / GROUP_SIZE;
  const layout = gptqCodec.readLayout(
    [
      { suffix: "qweight", encoding: "I32", shape: [columns / 8, rows] },
      { suffix: "qzeros", encoding: "I32", shape: [groups, rows / 8] },
      { suffix: "scales", encoding: "F16", shape: [groups, rows] },
    ],
    { groupSize: GROUP_SIZE, sym: true, checkpointFormat: "gptq", quantizer: [] },
  );
  const bytes = fill(allocateParts(gptqCodec.parts(layout)), () => 0x77);
  return { layout, bytes, weight: gptqCodec.open(layout, bytes) };
}

function awqWeight(
  rows: number,
  columns: number,
): { layout: LinearLayout; bytes: PartBytes; weight: LinearWeight } {
  const groups = columns / GROUP_SIZE;
  const layout = awqCodec.readLayout(
    [
      { suffix: "qweight", encoding: "I32", shape: [columns, rows / 8] },
      { suffix: "qzeros", encoding: "I32", shape: [groups, rows / 8] },
      { suffix: "scales", encoding: "F16", shape: [groups, rows] },
    ],
    { groupSize: GROUP_SIZE, version: "gemm" },
  );
  const bytes = fill(allocateParts(awqCodec.parts(layout)), (random) => 256 * random());
  return { layout, bytes, weight: awqCodec.open(layout, bytes) };
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

/** The same work with kernels switched off and, if the package has any, on. */
function bothWays(name: "gptq" | "awq", run: () => void): Contender[] {
  const plain: Contender = {
    name: "TypeScript",
    run() {
      uninstallKernels();
      run();
      installKernels();
    },
  };
  const hasKernels = existsSync(new URL(`../packages/${name}/src/generated/kernels.ts`, import.meta.url));
  return hasKernels ? [plain, { name: "SIMD", run }] : [plain];
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
  const { bytes, weight } = gptqWeight(rows, columns);
  const naive = naiveGptq(folder);
  const out = new Float32Array(rows * columns);
  const naiveOut = new Float32Array(rows * columns);
  const { qweight, qzeros, scales } = bytes as Record<string, Uint8Array>;
  const contenders: Contender[] = bothWays("gptq", () => weight.dequantize(0, rows, out));
  if (naive !== undefined && qweight && qzeros && scales) {
    const run = (): void => naive(qweight, qzeros, scales, rows, columns, GROUP_SIZE, naiveOut);
    run();
    weight.dequantize(0, rows, out);
    const same = Buffer.compare(Buffer.from(out.buffer), Buffer.from(naiveOut.buffer)) === 0;
    contenders.unshift({ name: "naive C", run, same });
  }
  return interleave("linear", "GPTQ 4-bit → f32", 4 * rows * columns, contenders, options);
}

/** Bytes of the source weight, for the copy and for the rate. */
function toBlocks(name: "gptq" | "awq", typeName: string, options: InterleaveOptions): Measurement[] {
  // beyond cache, in bands of rows, as a conversion goes
  const [rows, columns, band] = [8192, 8192, 256];
  const { bytes, weight } = name === "gptq" ? gptqWeight(rows, columns) : awqWeight(rows, columns);
  const type = gridTypeByName(typeName);
  const out = new Uint8Array(blockRowsByteLength(type, rows, columns));
  const bandByteLength = blockRowsByteLength(type, band, columns);
  const convert = (): void => {
    for (let row = 0, at = 0; row < rows; row += band, at += bandByteLength) {
      gridToBlocks(type, weight.toGrid(row, row + band), out.subarray(at, at + bandByteLength));
    }
  };
  const parts = Object.values(bytes);
  const copies = parts.map((part) => new Uint8Array(part.length));
  const byteLength = parts.reduce((sum, part) => sum + part.length, 0);
  return interleave(
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
      ...bothWays(name, convert),
    ],
    options,
  );
}
