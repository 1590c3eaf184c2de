/** Files of calibration statistics, made of the inputs themselves, so that a test can compute outputs without any statistics. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { writeSafetensors } from "@requant/safetensors";
import { pseudoWeights } from "./tiny-gguf.ts";

/** Inputs of one matrix: [tokens, columns]. */
export interface LayerInputs {
  readonly columns: number;
  readonly values: Float32Array;
}

/** Columns that depend on each other, and some that are much larger: what makes solving worth its while. */
export function layerInputs(tokens: number, columns: number, seed: number): LayerInputs {
  const noise = pseudoWeights(tokens * columns, seed);
  const values = new Float32Array(tokens * columns);
  for (let token = 0; token < tokens; token++) {
    let before = 0;
    for (let column = 0; column < columns; column++) {
      before = 0.8 * before + (noise[token * columns + column] ?? 0);
      values[token * columns + column] = before * (column % 17 === 3 ? 6 : 1);
    }
  }
  return { columns, values };
}

/** By the name of the weight; of a stack, the inputs of each matrix. */
export type InputsByName = ReadonlyMap<string, LayerInputs | readonly LayerInputs[]>;

export async function statisticsStore(
  inputs: InputsByName,
  shared: Readonly<Record<string, string>> = {},
  metadata: Readonly<Record<string, string>> = {},
): Promise<MemoryStore> {
  const store = memoryStore({ name: "memory" });
  const sink = await store.create("stats.safetensors");
  const tensors = [...inputs].flatMap(([name, own]) => entryTensors(name, own));
  await writeSafetensors(sink, tensors, {
    metadata: { format: "requant-statistics", version: "1", shared: JSON.stringify(shared), ...metadata },
  });
  await sink.close();
  return store;
}

function entryTensors(name: string, own: LayerInputs | readonly LayerInputs[]) {
  const matrices = "columns" in own ? [own] : own;
  const columns = matrices[0]?.columns ?? 0;
  const stack = "columns" in own ? [] : [matrices.length];
  const moments = new Float32Array(matrices.length * columns * columns);
  const meanAbs = new Float32Array(matrices.length * columns);
  const tokens = new BigInt64Array(matrices.length);
  matrices.forEach(({ values }, matrix) => {
    const count = values.length / columns;
    tokens[matrix] = BigInt(count);
    const sums = new Float64Array(columns * columns);
    for (let token = 0; token < count; token++) {
      const x = values.subarray(token * columns, (token + 1) * columns);
      for (let i = 0; i < columns; i++) {
        meanAbs[matrix * columns + i]! += Math.abs(x[i] ?? 0) / count;
        for (let j = 0; j < columns; j++) sums[i * columns + j]! += ((x[i] ?? 0) * (x[j] ?? 0)) / count;
      }
    }
    moments.set(sums, matrix * columns * columns);
  });
  const bytesOf = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return [
    {
      name: `${name}.moments`,
      encoding: "F32",
      shape: [...stack, columns, columns],
      data: [bytesOf(moments)],
    },
    { name: `${name}.mean_abs`, encoding: "F32", shape: [...stack, columns], data: [bytesOf(meanAbs)] },
    { name: `${name}.tokens`, encoding: "I64", shape: [matrices.length], data: [bytesOf(tokens)] },
  ];
}

/** The root mean square of the difference of the outputs X Wᵀ, over that of the outputs. */
export function relativeOutputError(
  { columns, values }: LayerInputs,
  weights: Float32Array,
  changed: Float32Array,
): number {
  let error = 0;
  let signal = 0;
  for (let x = 0; x < values.length; x += columns) {
    for (let row = 0; row < weights.length; row += columns) {
      let before = 0;
      let after = 0;
      for (let i = 0; i < columns; i++) {
        before += (values[x + i] ?? 0) * (weights[row + i] ?? 0);
        after += (values[x + i] ?? 0) * (changed[row + i] ?? 0);
      }
      error += (before - after) ** 2;
      signal += before ** 2;
    }
  }
  return Math.sqrt(error / signal);
}
