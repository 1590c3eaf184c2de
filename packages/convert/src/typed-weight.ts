import { elementCount, rowLength, type TensorInfo } from "@requant/core";
import { isRowSelection, plannedSources, type WeightInput } from "@requant/models";
import { codecOf, encodedByteLength, encoderOf } from "./encodings.ts";
import { type Fidelity, fidelityOf, plainRows } from "./fidelity.ts";
import type { PlanTensor } from "./plan.ts";

/** An output weight whose type is chosen. */
export interface TypedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
  readonly type: string;
  /** Entry of the importance matrix. */
  readonly importance?: string | undefined;
}

/** What becomes of one weight, from the encodings of its sources and the way its rows go. */
export function planTensor(weight: TypedWeight, sources: ReadonlyMap<string, TensorInfo>): PlanTensor {
  const { name, shape, inputs, type } = weight;
  const stored = plannedSources(weight).flatMap((source) => sources.get(source) ?? []);
  const encodings = [...new Set(stored.map(({ encoding }) => encoding))];
  const fidelity = weightFidelity(weight, stored, encodings);
  if (fidelity !== "copy") refuseWithoutCodec(weight, encodings);
  return {
    name,
    shape,
    from: encodings.length === 0 ? "computed" : encodings.join("+"),
    to: type,
    fidelity,
    byteLength: encodedByteLength(type, elementCount(shape), name),
    inputs,
    ...(weight.importance === undefined ? {} : { importance: weight.importance }),
  };
}

/** Now, not in the middle of a run. */
function refuseWithoutCodec(weight: TypedWeight, encodings: readonly string[]): void {
  if (weight.inputs.some((input) => "blocks" in input)) return;
  for (const encoding of encodings) codecOf(encoding, { tensor: weight.name });
  encoderOf(weight.type, { tensor: weight.name });
}

/** From the most to the least faithful: of several sources the worst counts. */
const ORDER: readonly Fidelity[] = ["copy", "exact", "rounded", "float", "requantized"];

function weightFidelity(
  weight: TypedWeight,
  stored: readonly TensorInfo[],
  encodings: readonly string[],
): Fidelity {
  if (weight.inputs.some((input) => "blocks" in input)) return "exact";
  // numbers that no file stores: what is written is all there is
  if (encodings.length === 0) return "exact";
  const wholeRows = isWholeTensor(weight, stored) || isWholeRows(weight, stored, encodings);
  const mapped = weight.inputs.some(isMapped);
  const ways = encodings.map((from) =>
    fidelityOf(from, weight.type, { ...plainRows, wholeRows, mapped }, weight.name),
  );
  return ORDER.filter((fidelity) => ways.includes(fidelity)).at(-1) ?? "exact";
}

function isMapped(input: WeightInput): boolean {
  if ("map" in input && input.map !== undefined) return true;
  return "join" in input && input.join.some(isMapped);
}

/** One stored tensor with nothing done to it but, perhaps, another shape. */
function isWholeTensor(weight: TypedWeight, stored: readonly TensorInfo[]): boolean {
  const [input] = weight.inputs;
  return (
    weight.inputs.length === 1 &&
    input !== undefined &&
    "tensor" in input &&
    Object.keys(input).length === 1 &&
    elementCount(stored[0]?.shape ?? []) === elementCount(weight.shape)
  );
}

/** Rows of stored tensors of one encoding and of the output's row length, in any order. */
function isWholeRows(
  weight: TypedWeight,
  stored: readonly TensorInfo[],
  encodings: readonly string[],
): boolean {
  return (
    encodings.length === 1 &&
    isRowSelection(weight) &&
    stored.every(({ shape }) => rowLength(shape) === rowLength(weight.shape))
  );
}

export function byName(tensors: readonly TensorInfo[]): ReadonlyMap<string, TensorInfo> {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}
