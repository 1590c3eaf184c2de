/** A model in which the numbers of some weights are computed; all else is as in the model itself. */
import { elementCount, rowLength } from "@requant/core";
import { encoderOf } from "./encodings.ts";
import type { Model } from "./model.ts";
import type { ModelTensor } from "./model-tensor.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** A weight whose numbers are computed as they are read. */
export interface ReplacedWeight {
  /** The type that holds the numbers. */
  readonly encoding: "F32" | "F16" | "BF16";
  /** Why the numbers have no view as levels. */
  readonly noView: string;
  /** Called once, when the weight is first read. */
  rows(): StoredWeight["readRows"];
}

/** The model with these weights, by its own names. */
export function withReplacedWeights(model: Model, replaced: ReadonlyMap<string, ReplacedWeight>): Model {
  const changed = (tensor: ModelTensor): ModelTensor => {
    const own = replaced.get(tensor.name);
    return own === undefined ? tensor : asFloats(tensor, own.encoding);
  };
  const tensors = model.tensors.map(changed);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const weights = new Map<string, StoredWeight>();
  function weight(name: string): StoredWeight {
    const own = replaced.get(name);
    const tensor = byName.get(name);
    if (own === undefined || tensor === undefined) return model.weight(name);
    const made = weights.get(name) ?? computed(tensor, own);
    weights.set(name, made);
    return made;
  }
  async function readBytes(name: string, start: number, end: number): Promise<Uint8Array> {
    const tensor = replaced.has(name) ? byName.get(name) : undefined;
    return tensor === undefined
      ? model.readBytes(name, start, end)
      : encoded(weight(name), tensor, start, end);
  }
  return {
    ...model,
    tensors,
    storedTensors: model.storedTensors.map(changed),
    tensor: (name) => byName.get(name) ?? model.tensor(name),
    weight,
    readBytes,
    async readInto(name, start, target) {
      if (replaced.has(name)) target.set(await readBytes(name, start, start + target.byteLength));
      else await model.readInto(name, start, target);
    },
  };
}

function computed(tensor: ModelTensor, own: ReplacedWeight): StoredWeight {
  return {
    tensor,
    readRows: own.rows(),
    async readView() {
      return { misfit: { reason: own.noView } };
    },
  };
}

function asFloats(tensor: ModelTensor, encoding: "F32" | "F16" | "BF16"): ModelTensor {
  const { linear: _, blocksOf: __, scaledBy: ___, ...rest } = tensor;
  return { ...rest, encoding, byteLength: elementCount(tensor.shape) * encoderOf(encoding).blockByteLength };
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
