/** A weight to which the update of a LoRA adapter is added as its rows are read: W + alpha / rank × B A. */
import { elementCount, rowCount, rowLength } from "@requant/core";
import { type LoraFactor, type LoraUpdate, openWeight, type WeightReader } from "@requant/models";
import type { Model } from "./model.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** Rows of tensors of an adapter, planned. */
export function adapterReader(name: string, factor: LoraFactor, adapter: Model): WeightReader {
  return openWeight(
    { name, shape: factor.shape, inputs: factor.inputs },
    {
      shapeOf: (tensor) => adapter.tensor(tensor).shape,
      readRows: (tensor, start, end, out) => adapter.weight(tensor).readRows(start, end, out),
    },
  );
}

interface Factors {
  /** `[rows of the weight, rank]`. */
  readonly left: WeightReader;
  /** `[rank, columns of the weight]`, for each matrix of a stack. */
  readonly right: WeightReader;
}

function transposed({ shape, inputs }: LoraFactor): LoraFactor {
  return { shape: [...shape].reverse(), inputs: [{ join: inputs, transpose: true }] };
}

function factorsOf({ weight, a, b, isTransposed }: LoraUpdate, adapter: Model): Factors {
  const [left, right] = isTransposed ? [transposed(a), transposed(b)] : [b, a];
  return {
    left: adapterReader(weight, left, adapter),
    right: adapterReader(weight, right, adapter),
  };
}

/** Reads rows of the sum. Products and sums are in f64, and the result is rounded once. */
export function updatedRows(
  weight: StoredWeight,
  update: LoraUpdate,
  adapter: Model,
): StoredWeight["readRows"] {
  const { shape } = weight.tensor;
  const { rank } = update;
  const scale = update.alpha / rank;
  const width = rowLength(shape);
  const height = rowCount(shape) / elementCount(shape.slice(0, -2));
  const { left, right } = factorsOf(update, adapter);
  const sums = new Float64Array(width);
  let held: { readonly matrix: number; readonly values: Promise<Float32Array> } | undefined;
  async function readRight(matrix: number): Promise<Float32Array> {
    const values = new Float32Array(rank * width);
    await right.readRows(matrix * rank, (matrix + 1) * rank, values);
    return values;
  }
  function rightOf(matrix: number): Promise<Float32Array> {
    if (held?.matrix !== matrix) held = { matrix, values: readRight(matrix) };
    return held.values;
  }
  /** Adds the update to one row. */
  function addTo(out: Float32Array, factors: Float32Array, values: Float32Array): void {
    sums.fill(0);
    for (let index = 0; index < rank; index++) {
      const factor = factors[index]!;
      for (let column = 0; column < width; column++) {
        sums[column] = sums[column]! + factor * values[index * width + column]!;
      }
    }
    for (let column = 0; column < width; column++) out[column] = out[column]! + scale * sums[column]!;
  }
  return async (rowStart, rowEnd, out) => {
    const factors = new Float32Array((rowEnd - rowStart) * rank);
    await left.readRows(rowStart, rowEnd, factors);
    const matrices: Float32Array[] = [];
    const first = Math.floor(rowStart / height);
    for (let matrix = first; matrix * height < rowEnd; matrix++) matrices.push(await rightOf(matrix));
    // last: nothing is awaited between this and the use of `out`, whose memory may move when the kernels' memory grows
    await weight.readRows(rowStart, rowEnd, out);
    for (let row = rowStart; row < rowEnd; row++) {
      const at = row - rowStart;
      const values = matrices[Math.floor(row / height) - first];
      if (values === undefined) continue;
      addTo(out.subarray(at * width, (at + 1) * width), factors.subarray(at * rank, (at + 1) * rank), values);
    }
  };
}
