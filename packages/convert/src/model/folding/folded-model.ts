/** A model whose weights are read with scales folded in; all else is as in the model itself. */
import { elementCount, rowCount, rowLength, UsageError } from "@requant/core";
import { encoderOf } from "../encodings.ts";
import type { Model } from "../model.ts";
import type { ModelTensor } from "../model-tensor.ts";
import type { StoredWeight } from "../stored-weight.ts";
import type { AppliedFolding, Folded, FoldedTensor } from "./folded.ts";

type Factors = FoldedTensor & { readonly kind: "factors" };
type Values = FoldedTensor & { readonly kind: "values" };

/**
 * The model with scales folded in: it computes the same as before. Weights that are multiplied are floats in f32, whatever they
 * are stored in; norms keep their type where it holds the divided numbers.
 */
export function foldedModel(
  model: Model,
  scales: Folded,
  { location, findings = [] }: Partial<Pick<AppliedFolding, "location" | "findings">> = {},
): Model {
  const { tensors: folded } = scales;
  const storedAs = new Map(Array.from(folded.keys(), (name) => [name, model.tensor(name).encoding]));
  const changed = (tensor: ModelTensor): ModelTensor => {
    const own = folded.get(tensor.name);
    return own === undefined ? tensor : asFloats(tensor, own.kind === "values" ? own.encoding : "F32");
  };
  const tensors = model.tensors.map(changed);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const weights = new Map<string, StoredWeight>();
  function weight(name: string): StoredWeight {
    const own = folded.get(name);
    const tensor = byName.get(name);
    if (own === undefined || tensor === undefined) return model.weight(name);
    const made = weights.get(name) ?? foldedWeight(model.weight(name), tensor, own);
    weights.set(name, made);
    return made;
  }
  async function readBytes(name: string, start: number, end: number): Promise<Uint8Array> {
    const tensor = folded.has(name) ? byName.get(name) : undefined;
    return tensor === undefined
      ? model.readBytes(name, start, end)
      : encoded(weight(name), tensor, start, end);
  }
  return {
    ...model,
    folding: { folded: scales, storedAs, location, findings },
    tensors,
    storedTensors: model.storedTensors.map(changed),
    tensor: (name) => byName.get(name) ?? model.tensor(name),
    weight,
    readBytes,
    async readInto(name, start, target) {
      if (folded.has(name)) target.set(await readBytes(name, start, start + target.byteLength));
      else await model.readInto(name, start, target);
    },
  };
}

function asFloats(tensor: ModelTensor, encoding: "F32" | "F16" | "BF16"): ModelTensor {
  const { linear: _, blocksOf: __, scaledBy: ___, ...rest } = tensor;
  return { ...rest, encoding, byteLength: elementCount(tensor.shape) * encoderOf(encoding).blockByteLength };
}

function foldedWeight(weight: StoredWeight, tensor: ModelTensor, own: FoldedTensor): StoredWeight {
  return {
    tensor,
    readRows: own.kind === "values" ? replaced(tensor, own) : multiplied(weight, own),
    async readView() {
      return { misfit: { reason: "its numbers are multiplied by scales that were folded in" } };
    },
  };
}

function replaced({ shape, name }: ModelTensor, { values }: Values): StoredWeight["readRows"] {
  if (values.length !== elementCount(shape)) {
    throw new UsageError(`${values.length} numbers do not fit the shape [${shape.join(", ")}].`, {
      tensor: name,
    });
  }
  const length = rowLength(shape);
  return async (rowStart, rowEnd, out) => {
    out.set(values.subarray(rowStart * length, rowEnd * length));
  };
}

function multiplied(weight: StoredWeight, { rows, columns }: Factors): StoredWeight["readRows"] {
  const { shape, name } = weight.tensor;
  const length = rowLength(shape);
  const count = rowCount(shape);
  const matrices = columns === undefined ? 1 : columns.length / length;
  if ((rows !== undefined && rows.length !== count) || !Number.isInteger(count / matrices)) {
    throw new UsageError(`The scales do not fit the shape [${shape.join(", ")}].`, { tensor: name });
  }
  const perMatrix = count / matrices;
  return async (rowStart, rowEnd, out) => {
    await weight.readRows(rowStart, rowEnd, out);
    for (let row = rowStart, at = 0; row < rowEnd; row++) {
      const factor = rows?.[row] ?? 1;
      const from = Math.floor(row / perMatrix) * length;
      for (let column = 0; column < length; column++, at++) {
        out[at] = out[at]! * factor * (columns?.[from + column] ?? 1);
      }
    }
  };
}

/** Bytes `[start, end)` of the tensor in its new type. */
async function encoded(
  weight: StoredWeight,
  { encoding, shape }: ModelTensor,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const codec = encoderOf(encoding);
  const rowByteLength = rowLength(shape) * codec.blockByteLength;
  const [first, last] = [Math.floor(start / rowByteLength), Math.ceil(end / rowByteLength)];
  const values = new Float32Array((last - first) * rowLength(shape));
  await weight.readRows(first, last, values);
  const bytes = new Uint8Array(values.length * codec.blockByteLength);
  codec.quantize(values, rowLength(shape), bytes);
  return bytes.subarray(start - first * rowByteLength, end - first * rowByteLength);
}
