/** Which weights that are NaN or infinite a run refuses, and the text of the refusal. */
import { bfloatToFloat, ConversionError, type ErrorPlace, floatToBfloat, rowLength } from "@requant/core";
import { isRowSelection, plannedSources, rowOrigins } from "@requant/models";
import { blockOf } from "../model/encodings.ts";
import type { Model } from "../model/model.ts";
import { isMapped, plainInput } from "../plan/choose-way.ts";
import { isQuantizedEncoding } from "../plan/fidelity.ts";
import { type NonFinite, type NonFiniteWeights, placeOf } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { throughOf } from "../plan/way.ts";

/** The parts of a plan's tensor that a refusal speaks of. */
export type RefusedTask = Pick<
  PlanTensor,
  "name" | "shape" | "to" | "fidelity" | "inputs" | "linear" | "way"
>;

/**
 * Quantized blocks need finite weights. A float type can hold NaN and infinity, so what the source has may stay; what was
 * finite may not become infinite.
 */
export function isRefused(model: Model, task: RefusedTask, { given, made }: NonFinite): boolean {
  return made !== undefined || (given !== undefined && needsFinite(model, task));
}

function needsFinite(model: Model, task: RefusedTask): boolean {
  return isQuantized(task) || mayHaveBeenFinite(model, task);
}

function isQuantized(task: RefusedTask): boolean {
  return task.linear !== undefined || isQuantizedEncoding(targetName(task));
}

/** The values were computed, or read from a wider type than F32, before they were looked at. */
function mayHaveBeenFinite(model: Model, task: RefusedTask): boolean {
  if (task.inputs.some(isMapped)) return true;
  return plannedSources(task).some((name) => model.tensor(name).encoding === "F64");
}

/** The refusal of one tensor. Weights of the source are named first where they are refused: they spoil others of their block. */
export function nonFiniteRefusal(
  model: Model,
  task: RefusedTask,
  { given, made }: NonFinite,
): ConversionError {
  const weights = needsFinite(model, task) ? (given ?? made) : (made ?? given);
  const index = weights?.index ?? 0;
  return new ConversionError(weights === undefined ? "A weight is not finite." : refusalText(task, weights), {
    tensor: task.name,
    index,
    reason: "non-finite",
    hint: wayOut(task, weights === given ? undefined : made?.largest),
    ...sourcePlace(model, task, index),
  });
}

function refusalText(task: RefusedTask, weights: NonFiniteWeights): string {
  const { index, value, stored, largest, largestIndex } = weights;
  const sources = plannedSources(task);
  const others = sources.length > 1 ? ` and ${sources.length - 1} more` : "";
  const from = sources.length === 0 ? "" : `, made from ${sources[0]}${others},`;
  const target = targetName(task);
  const start = `Weight ${index} [${placeOf(task.shape, index).join(", ")}] of ${task.name}${from} is ${value}`;
  if (value - value !== 0) {
    return isQuantized(task)
      ? `${start}: ${target} can only store finite weights.`
      : `${start} once it is read or computed for ${target}.`;
  }
  const because =
    largestIndex === index
      ? "it is too large for the type"
      : `its block also has ${largest}, weight ${largestIndex} [${placeOf(task.shape, largestIndex).join(", ")}], which is too large for the type`;
  return `${start} and would become ${stored} in ${target}: ${because}.`;
}

function targetName(task: RefusedTask): string {
  return throughOf(task)?.to ?? task.to;
}

const ALLOW = "or allow such weights with `allowNonFinite`";

/**
 * Hints that are true for this tensor: packed targets have neither types for single tensors nor codes for NaN. `tooLarge` is
 * the finite weight that the type cannot hold.
 */
function wayOut(task: RefusedTask, tooLarge: number | undefined): string {
  const { name, linear, to } = task;
  const through = throughOf(task);
  const types = tooLarge === undefined || fitsBfloat(tooLarge) ? ["bf16", "f32"] : ["f32"];
  const floats = types.map((type) => `safetensors:${type} or gguf:${type}`).join(", ");
  const correct = tooLarge === undefined ? "Correct the weight in the source" : undefined;
  if (linear !== undefined || through?.kind === "packed") {
    return `${correct === undefined ? "Choose" : `${correct}, or choose`} a float target: ${floats}.`;
  }
  const type = types.map((type) => type.toUpperCase()).join(" or ");
  const dtype = through === undefined || to !== "F16" ? "" : `, choose ${type} with \`dtype\``;
  if (isQuantized(task)) {
    return `Give this tensor the type ${type} with \`tensorTypes\` '${patternOf(name)}=${types[0]}'${dtype}, ${ALLOW}.`;
  }
  return `${correct ?? `Choose a float target with a wider range (${floats})`}${dtype}, ${ALLOW}.`;
}

/** The largest BF16 is smaller than the largest F32. */
function fitsBfloat(value: number): boolean {
  return Number.isFinite(bfloatToFloat(floatToBfloat(value)));
}

function patternOf(name: string): string {
  return `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
}

/** The source file that holds a weight and the offset of its block; empty where a weight is made of several stored weights. */
function sourcePlace(model: Model, task: RefusedTask, index: number): Pick<ErrorPlace, "path" | "offset"> {
  const origin = originOf(model, task, index);
  if (origin === undefined) return {};
  const tensor = model.tensor(origin.tensor);
  if (tensor.linear !== undefined) return { path: tensor.file };
  const { blockSize, blockByteLength } = blockOf(tensor.encoding, { tensor: tensor.name });
  return {
    path: tensor.file,
    offset: tensor.byteOffset + Math.floor(origin.index / blockSize) * blockByteLength,
  };
}

function originOf(
  model: Model,
  task: RefusedTask,
  index: number,
): { readonly tensor: string; readonly index: number } | undefined {
  const plain = plainInput(task);
  if (plain !== undefined) return { tensor: plain.tensor, index };
  if (!isRowSelection(task) || plannedSources(task).length === 0) return undefined;
  const columns = rowLength(task.shape);
  const { tensor, row } = rowOrigins(task, (name) => model.tensor(name).shape)(Math.floor(index / columns));
  return { tensor, index: row * columns + (index % columns) };
}
