/**
 * Every ggml type: native ggml, plain TypeScript and the SIMD twin, one thread, in cache.
 * Alone, for a quick look at some types: node --conditions=@requant/source bench/kernels.ts Q4_K IQ4_XS
 */

import { installKernels, kernelsAreInstalled, uninstallKernels } from "@requant/core/kernels";
import { type GgmlType, ggmlTypes } from "@requant/gguf";
import { hasKernel } from "../packages/gguf/src/kernels/module.ts";
import { type Contender, type InterleaveOptions, interleave } from "./interleave.ts";
import { limitContenders } from "./limits.ts";
import type { NativeGgml } from "./native.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";
import { sampleBuffer } from "./sample-buffer.ts";

/** 128 KiB of f32: within the second-level cache of any machine. */
const WEIGHTS = 32768;
const COLUMNS = 4096;

/** 64 MiB of f32. */
const LARGE_WEIGHTS = 1 << 24;

/** Containers of whole numbers: nothing to compute. */
const NOT_MEASURED = new Set(["F32", "F64", "I8", "I16", "I32", "I64", "Q8_1", "Q8_K"]);

function weights(count: number): Float32Array {
  const random = randomNumbers(88172645);
  return Float32Array.from(
    { length: count },
    () => 0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}

function importanceOf(count: number): Float32Array {
  const random = randomNumbers(5);
  return Float32Array.from({ length: count }, () => 0.05 + 4 * random() ** 3);
}

/** F16 and BF16 have their twins in core. */
function hasTwin(work: string, { name }: GgmlType): boolean {
  return name === "F16" || name === "BF16" ? kernelsAreInstalled() : hasKernel(`${work}${name}`);
}

function inTypeScript(run: () => void): () => void {
  return () => {
    uninstallKernels();
    run();
    installKernels();
  };
}

function present(contenders: readonly (Contender | undefined)[]): Contender[] {
  return contenders.filter((contender) => contender !== undefined);
}

/** Whether each of the arrays holds the first one's bytes, by running everything once. */
function sameAsFirst(
  contenders: readonly Contender[],
  outputs: ReadonlyMap<string, Uint8Array>,
): Contender[] {
  for (const { run } of contenders) run();
  const first = outputs.get(contenders[0]?.name ?? "");
  return contenders.map((contender, index) => {
    const output = outputs.get(contender.name);
    if (index === 0 || first === undefined || output === undefined) return contender;
    return { ...contender, same: Buffer.compare(first, output) === 0 };
  });
}

function quantizeTask(
  type: GgmlType,
  values: Float32Array,
  importance: Float32Array | undefined,
  native: NativeGgml | undefined,
  options: InterleaveOptions,
): Measurement[] {
  const { codec } = type;
  if (codec?.quantize === undefined) return [];
  const quantize = codec.quantize;
  const byteLength = (values.length / type.blockSize) * type.blockByteLength;
  const outputs = new Map<string, Uint8Array>();
  const output = (name: string, bytes = new Uint8Array(byteLength)): Uint8Array => {
    outputs.set(name, bytes);
    return bytes;
  };
  const buffers = [4 * values.length, 4 * Math.ceil(byteLength / 4), 4 * COLUMNS].map(sampleBuffer);
  const [valuesInside, bytesInside, importanceInside] = [
    buffers[0]!.floats(),
    buffers[1]!.bytes(0, byteLength),
    buffers[2]!.floats(),
  ];
  valuesInside.set(values);
  if (importance !== undefined) importanceInside.set(importance);
  const plain = output("TypeScript");
  const nativeBytes = output("native");
  output("SIMD", bytesInside);
  const rows = values.length / COLUMNS;
  const contenders = present([
    native && {
      name: "native",
      run: () => native.quantize(type.id, values, nativeBytes, rows, COLUMNS, importance ?? null),
    },
    { name: "TypeScript", run: inTypeScript(() => quantize(values, COLUMNS, plain, importance)) },
    hasTwin(importance === undefined ? "quantize" : "quantizeWeighted", type)
      ? {
          name: "SIMD",
          run: () =>
            quantize(
              valuesInside,
              COLUMNS,
              bytesInside,
              importance === undefined ? undefined : importanceInside,
            ),
        }
      : undefined,
  ]);
  const task = `quantize ${type.name}${importance === undefined ? "" : " with importance"}`;
  const found = interleave("kernels", task, 4 * values.length, sameAsFirst(contenders, outputs), options);
  for (const buffer of buffers) buffer.release();
  return found;
}

/** Blocks of the type: quantized where it can be, random bits elsewhere. */
function blocksOf(type: GgmlType, values: Float32Array, importance: Float32Array): Uint8Array {
  const bytes = new Uint8Array((values.length / type.blockSize) * type.blockByteLength);
  const { codec } = type;
  if (codec?.quantize === undefined) {
    const random = randomNumbers(3);
    return bytes.map(() => 64 * random());
  }
  const rows = 64;
  const part = values.subarray(0, Math.min(values.length, rows * COLUMNS));
  const partBytes = bytes.subarray(0, (part.length / type.blockSize) * type.blockByteLength);
  codec.quantize(part, COLUMNS, partBytes, type.importance === "required" ? importance : undefined);
  for (let filled = partBytes.length; filled < bytes.length; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

function dequantizeTask(
  part: "kernels" | "large",
  type: GgmlType,
  blocks: Uint8Array,
  count: number,
  native: NativeGgml | undefined,
  options: InterleaveOptions,
): Measurement[] {
  const { codec } = type;
  if (codec === undefined) return [];
  const blocksInside = sampleBuffer(4 * Math.ceil(blocks.length / 4));
  const valuesInside = sampleBuffer(4 * count);
  const [inside, out] = [blocksInside.bytes(0, blocks.length), valuesInside.floats()];
  inside.set(blocks);
  const nativeOut = new Float32Array(count);
  const plainOut = new Float32Array(count);
  const dequantize = native?.dequantizer(type.name);
  const bytesOf = (values: Float32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const contenders = present([
    dequantize && { name: "native", run: () => dequantize(blocks, nativeOut, count) },
    { name: "TypeScript", run: inTypeScript(() => codec.dequantize(blocks, plainOut)) },
    hasTwin("dequantize", type) ? { name: "SIMD", run: () => codec.dequantize(inside, out) } : undefined,
  ]);
  const checked = sameAsFirst(
    contenders,
    new Map([
      ["native", bytesOf(nativeOut)],
      ["TypeScript", bytesOf(plainOut)],
      ["SIMD", bytesOf(out)],
    ]),
  );
  const all = part === "large" ? [...checked, ...limitContenders(4 * count)] : checked;
  const found = interleave(part, `dequantize ${type.name}`, 4 * count, all, options);
  blocksInside.release();
  valuesInside.release();
  return found;
}

/** `named`: only these types. */
export function* measureKernels(
  native: NativeGgml | undefined,
  named: readonly string[],
  options: InterleaveOptions,
): Generator<Measurement[]> {
  const values = weights(WEIGHTS);
  const importance = importanceOf(COLUMNS);
  for (const type of ggmlTypes) {
    if (type.codec === undefined || NOT_MEASURED.has(type.name)) continue;
    if (named.length > 0 && !named.includes(type.name)) continue;
    yield dequantizeTask("kernels", type, blocksOf(type, values, importance), WEIGHTS, native, options);
    if (type.importance !== "required") yield quantizeTask(type, values, undefined, native, options);
    if (type.importance !== "ignored") yield quantizeTask(type, values, importance, native, options);
  }
}

/** Some types beyond cache, next to the limits of the same run. */
export function* measureLarge(
  native: NativeGgml | undefined,
  options: InterleaveOptions,
): Generator<Measurement[]> {
  const values = weights(LARGE_WEIGHTS);
  const importance = importanceOf(COLUMNS);
  for (const type of ggmlTypes) {
    if (!["F16", "Q4_0", "Q8_0", "Q4_K", "Q6_K", "IQ4_XS"].includes(type.name)) continue;
    const blocks = blocksOf(type, values, importance);
    yield dequantizeTask("large", type, blocks, LARGE_WEIGHTS, native, options);
  }
}
