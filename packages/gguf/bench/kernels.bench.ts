/**
 * Every kernel against native ggml and against its TypeScript codec: one thread, in cache, interleaved.
 *   node --conditions=@requant/source packages/gguf/bench/kernels.bench.ts [type …] [--quantize|--dequantize] [--typescript]
 * Figures are GB/s of f32 (median, best); the last column is kernel / native, of medians and of best runs.
 */
import { allocateKernelBuffer, installKernels, uninstallKernels } from "@requant/core/kernels";
import { findNativeGgml } from "../../../bench/native.ts";
import { ggmlTypes } from "../src/types/index.ts";

const weights = 32768;
const columns = 4096;
const rounds = Number(process.env["ROUNDS"] ?? 15);
const sampleMs = Number(process.env["SAMPLE_MS"] ?? 10);

const native = findNativeGgml();
if (native === undefined) throw new Error("node-llama-cpp has no library for this machine.");
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const flags = new Set(process.argv.slice(2).filter((argument) => argument.startsWith("--")));
const wants = (what: string): boolean =>
  flags.has(what) || !["--quantize", "--dequantize", "--imatrix"].some((flag) => flags.has(flag));

let state = 88172645;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

const valuesBuffer = allocateKernelBuffer(4 * weights);
const bytesBuffer = allocateKernelBuffer(8 * weights);
const importanceBuffer = allocateKernelBuffer(4 * columns);
const values = valuesBuffer.floats();
for (let i = 0; i < weights; i++) {
  values[i] = 0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
const importance = importanceBuffer.floats();
for (let i = 0; i < columns; i++) importance[i] = 0.05 + 4 * random() ** 3;
const source = values.slice();
const plainImportance = importance.slice();

/** Processor time, since other programs may be running. */
function seconds(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function inTypescript(run: () => void): () => void {
  return () => {
    uninstallKernels();
    run();
    installKernels();
  };
}

/** GB/s of each contender, samples interleaved. */
function measure(
  contenders: Record<string, (() => void) | undefined>,
): Record<string, { median: number; best: number }> {
  const present = Object.entries(contenders).filter(
    (entry): entry is [string, () => void] => entry[1] !== undefined,
  );
  const repeats = present.map(([, run]) => {
    run();
    let count = 1;
    while (
      seconds(() => {
        for (let i = 0; i < count; i++) run();
      }) <
      sampleMs / 1000
    ) {
      count *= 2;
    }
    return count;
  });
  const samples = present.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    present.forEach(([, run], index) => {
      const count = repeats[index] ?? 1;
      const time = seconds(() => {
        for (let i = 0; i < count; i++) run();
      });
      samples[index]?.push(time / count);
    });
  }
  return Object.fromEntries(
    present.map(([name], index) => {
      const sorted = (samples[index] ?? []).sort((a, b) => a - b);
      const gigabytes = (time: number | undefined): number => (4 * weights) / (time ?? Number.NaN) / 1e9;
      return [name, { median: gigabytes(sorted[sorted.length >> 1]), best: gigabytes(sorted[0]) }];
    }),
  );
}

function report(what: string, contenders: Record<string, (() => void) | undefined>): void {
  const results = measure(contenders);
  const figure = (name: string): string => {
    const result = results[name];
    return result === undefined
      ? ""
      : `${name} ${result.median.toPrecision(3)} (${result.best.toPrecision(3)})  `;
  };
  const kernel = results["kernel"];
  const reference = results["native"];
  const ratio =
    kernel !== undefined && reference !== undefined
      ? `× ${(kernel.median / reference.median).toFixed(2)} (${(kernel.best / reference.best).toFixed(2)})`
      : "";
  console.log(`${what.padEnd(26)} ${Object.keys(results).map(figure).join("")}${ratio}`);
}

/** Never stored in files, so that ggml_quantize_chunk refuses them; and plain numbers, which it does not convert. */
const skipped: ReadonlySet<string> = new Set(["Q8_1", "Q8_K", "F32", "F64", "I8", "I16", "I32", "I64"]);

console.log(`ggml ${native.version}, node ${process.version}`);
for (const type of ggmlTypes) {
  const { codec, name } = type;
  if (codec === undefined || skipped.has(name) || (named.length > 0 && !named.includes(name))) continue;
  const byteLength = (weights / type.blockSize) * type.blockByteLength;
  const bytes = bytesBuffer.bytes(0, byteLength);
  const plainBytes = new Uint8Array(byteLength);
  const typescript = flags.has("--typescript");
  const nativeDequantize = native.dequantizer(name);
  native.quantize(
    type.id,
    source,
    plainBytes,
    weights / columns,
    columns,
    type.importance === "required" ? plainImportance : null,
  );
  bytes.set(plainBytes);
  if (wants("--dequantize")) {
    const out = new Float32Array(weights);
    report(`dequantize ${name}`, {
      native: nativeDequantize && (() => nativeDequantize(plainBytes, out, weights)),
      typescript: typescript ? inTypescript(() => codec.dequantize(plainBytes, out)) : undefined,
      kernel: () => codec.dequantize(bytes, values),
    });
    values.set(source);
  }
  for (const [flag, weighted] of [
    ["--quantize", false],
    ["--imatrix", true],
  ] as const) {
    if (!wants(flag) || (weighted ? type.importance === "ignored" : type.importance === "required")) continue;
    if (codec.quantize === undefined) continue;
    report(`quantize ${name}${weighted ? " imatrix" : ""}`, {
      native: () =>
        native.quantize(
          type.id,
          source,
          plainBytes,
          weights / columns,
          columns,
          weighted ? plainImportance : null,
        ),
      typescript: typescript
        ? inTypescript(() =>
            codec.quantize?.(source, columns, plainBytes, weighted ? plainImportance : undefined),
          )
        : undefined,
      kernel: () => codec.quantize?.(values, columns, bytes, weighted ? importance : undefined),
    });
    const same = Buffer.compare(bytes, plainBytes) === 0;
    if (!same) console.log(`  ${name}: bytes differ`);
  }
}
