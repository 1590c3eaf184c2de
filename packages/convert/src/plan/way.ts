import { elementCount, rowLength } from "@requant/core";
import { viewTypes } from "@requant/gguf";
import { isRowSelection, plannedSources, type WeightInput } from "@requant/models";
import { codecOf, encodedByteLength, encoderOf } from "../model/encodings.ts";
import { type Fidelity, fidelityOf, isQuantizedEncoding, plainRows } from "./fidelity.ts";
import type { PlanSourceTensor, PlanTensor } from "./plan.ts";
import { viewWay } from "./view-way.ts";

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
export function planTensor(weight: TypedWeight, sources: ReadonlyMap<string, PlanSourceTensor>): PlanTensor {
  const { name, shape, inputs, type } = weight;
  const stored = plannedSources(weight).flatMap((source) => sources.get(source) ?? []);
  const encodings = [...new Set(stored.map(({ encoding }) => encoding))];
  const way = stored.some(({ linear }) => linear !== undefined)
    ? linearFidelity(weight, stored)
    : { fidelity: weightFidelity(weight, stored, encodings) };
  if (way.fidelity !== "copy") refuseWithoutCodec(weight, stored);
  return {
    name,
    shape,
    from: fromText(encodings),
    to: type,
    byteLength: encodedByteLength(type, elementCount(shape), name),
    inputs,
    ...(weight.importance === undefined ? {} : { importance: weight.importance }),
    ...way,
  };
}

/** Several encodings are joined; what no file stores is computed. */
export function fromText(encodings: readonly string[]): string {
  return encodings.length === 0 ? "computed" : encodings.join("+");
}

type Way = Pick<PlanTensor, "fidelity" | "way" | "reason" | "hint">;

/** From linear weights: on their integers where the type holds them, else through f32. */
function linearFidelity(weight: TypedWeight, stored: readonly PlanSourceTensor[]): Way {
  const { type } = weight;
  const requirement = viewTypes.find(({ name }) => name === type)?.requirement;
  if (requirement === undefined) {
    const fidelity = floatFidelity(weight, stored);
    return { fidelity, ...whyNoView(fidelity, type) };
  }
  const facts = stored.flatMap(({ view }) => view ?? []);
  if (facts.length < stored.length || !isRowSelection(weight)) {
    return { fidelity: "requantized", reason: "its rows are put together from floats" };
  }
  const found = viewWay(facts, requirement);
  if (found.fidelity === "exact") return { fidelity: "exact", way: "view" };
  const { reason, hint } = found.misfit;
  const why = { reason, ...(hint === undefined ? {} : { hint }) };
  return found.fidelity === "rounded"
    ? { fidelity: "rounded", way: "view", ...why }
    : { fidelity: "requantized", ...why };
}

function whyNoView(fidelity: Fidelity, type: string): Pick<Way, "reason" | "hint"> {
  if (fidelity === "requantized") {
    return { reason: `${type} has steps of its own, so every weight gets a new code` };
  }
  if (fidelity !== "float") return {};
  return {
    reason: `scale × (code − zero) can have more significant bits than ${type} keeps: each value is rounded once, as inference kernels of that type do`,
    hint: "F32 holds every value.",
  };
}

/** An f32 holds scale × (code − zero) exactly; an f16 only what was rounded to it before. */
function floatFidelity(weight: TypedWeight, stored: readonly PlanSourceTensor[]): Fidelity {
  if (isQuantizedEncoding(weight.type)) return "requantized";
  const mapped = weight.inputs.some(isMapped);
  const ways = stored.map(({ view, encoding }): Fidelity => {
    const rounded = view?.rounding === "f16" ? "F16" : encoding;
    return fidelityOf(rounded, weight.type, { wholeRows: false, mapped }, weight.name);
  });
  return worst(ways);
}

function worst(ways: readonly Fidelity[]): Fidelity {
  return ORDER.filter((fidelity) => ways.includes(fidelity)).at(-1) ?? "exact";
}

/** Now, not in the middle of a run. */
function refuseWithoutCodec(weight: TypedWeight, stored: readonly PlanSourceTensor[]): void {
  for (const { encoding, linear } of stored) {
    if (linear === undefined) codecOf(encoding, { tensor: weight.name });
  }
  encoderOf(weight.type, { tensor: weight.name });
}

/** From the most to the least faithful: of several sources the worst counts. */
const ORDER: readonly Fidelity[] = ["copy", "exact", "rounded", "float", "requantized"];

function weightFidelity(
  weight: TypedWeight,
  stored: readonly PlanSourceTensor[],
  encodings: readonly string[],
): Fidelity {
  // two tensors of bytes that stand for blocks of ggml's MXFP4
  if (weight.inputs.some((input) => "blocks" in input)) {
    return weight.type === "MXFP4"
      ? "exact"
      : fidelityOf("MXFP4", weight.type, { wholeRows: false, mapped: false }, weight.name);
  }
  // numbers that no file stores: what is written is all there is
  if (encodings.length === 0) return "exact";
  const wholeRows = isWholeTensor(weight, stored) || isWholeRows(weight, stored, encodings);
  const mapped = weight.inputs.some(isMapped);
  const ways = encodings.map((from) =>
    fidelityOf(from, weight.type, { ...plainRows, wholeRows, mapped }, weight.name),
  );
  return worst(ways);
}

function isMapped(input: WeightInput): boolean {
  if ("map" in input && input.map !== undefined) return true;
  return "join" in input && input.join.some(isMapped);
}

/** One stored tensor with nothing done to it but, perhaps, another shape. */
function isWholeTensor(weight: TypedWeight, stored: readonly PlanSourceTensor[]): boolean {
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
  stored: readonly PlanSourceTensor[],
  encodings: readonly string[],
): boolean {
  return (
    encodings.length === 1 &&
    isRowSelection(weight) &&
    stored.every(({ shape }) => rowLength(shape) === rowLength(weight.shape))
  );
}

export function byName(tensors: readonly PlanSourceTensor[]): ReadonlyMap<string, PlanSourceTensor> {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}
