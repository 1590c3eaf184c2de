/** Sections about kernels: what one thread does in memory. */
import type { PartName, Results } from "../results.ts";
import { rate, ratio, sameness, table, tasksOf } from "./cells.ts";

function rateTable(results: Results, part: PartName, contenders: readonly string[]): string {
  return table(
    ["", ...contenders, "SIMD ÷ native", "same bits"],
    [...tasksOf(results, part)].map(([task, measured]) => [
      task,
      ...contenders.map((name) => rate(measured.get(name))),
      ratio(measured.get("SIMD")?.cpuSeconds, measured.get("native")?.cpuSeconds),
      sameness(measured.values()),
    ]),
  );
}

export function kernelPart(results: Results): string {
  return `## Kernels, in cache

GB/s of f32 weights: median, and in parentheses the best run. 32768 weights in rows of 4096, one thread, processor time. "native" is ggml as node-llama-cpp ships it, which is how llama.cpp builds it without flags for newer processors: \`ggml_quantize_chunk\` and \`dequantize_row_*\`. "TypeScript" is the codec with kernels switched off, "SIMD" its WebAssembly twin. All sides of a row ran in turns.

${rateTable(results, "kernels", ["native", "TypeScript", "SIMD"])}`;
}

export function largePart(results: Results): string {
  return `## Dequantizing beyond cache

The same for 64 MiB of f32, with the limits of the machine in the same row: "copy" copies as many bytes from elsewhere, "store" only stores them, 128 bits at a time.

${rateTable(results, "large", ["native", "TypeScript", "SIMD", "copy", "store"])}`;
}

export function limitsPart(results: Results): string {
  return `## Limits of the machine

GB/s, one thread.

${table(
  ["", "copy", "store"],
  [...tasksOf(results, "limits")].map(([task, measured]) => [
    task,
    rate(measured.get("copy")),
    rate(measured.get("store")),
  ]),
)}`;
}

export function linearPart(results: Results): string {
  return `## GPTQ and AWQ

To f32: GB/s of f32, 256 × 512 weights in groups of 128; "naive C" is \`bench/children/naive-gptq.c\`, compiled here with \`cc -O2\`, where there is a compiler. To ggml blocks: 8192 × 8192 weights, GB/s of the bytes they were stored in, which is also what "copy" copies.

${table(
  ["", "naive C", "copy", "TypeScript", "SIMD", "SIMD ÷ naive C", "SIMD ÷ copy"],
  [...tasksOf(results, "linear")].map(([task, measured]) => [
    task,
    ...["naive C", "copy", "TypeScript", "SIMD"].map((name) => rate(measured.get(name))),
    ...["naive C", "copy"].map((name) =>
      ratio(measured.get("SIMD")?.cpuSeconds, measured.get(name)?.cpuSeconds),
    ),
  ]),
)}`;
}

function plainRates(results: Results, part: PartName): string {
  return table(
    ["", "TypeScript", "SIMD", "same bits"],
    [...tasksOf(results, part)].map(([task, measured]) => [
      task,
      rate(measured.get("TypeScript")),
      rate(measured.get("SIMD")),
      sameness(measured.values()),
    ]),
  );
}

export function formatPart(results: Results): string {
  return `## Weight formats to f32

GB/s of f32 weights: median, and in parentheses the best run. 32768 weights in rows of 4096, in the memory of the kernels, one thread, processor time. Codes are random bytes, E4M3 codes without NaN: one in sixteen is subnormal. "TypeScript" is the codec with kernels switched off, and the peer that "SIMD" must equal bit for bit; both ran in turns.

${plainRates(results, "formats")}`;
}

export function gridPart(results: Results): string {
  return `## Hidden grids

The search for hidden grids in floats of 1024 × 4096: GB/s of the floats as they are stored, decoding included.

${plainRates(results, "hidden-grids")}`;
}
