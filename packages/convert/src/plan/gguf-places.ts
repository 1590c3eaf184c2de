/**
 * Which weight of a GGUF of the same model an output weight is: importance matrices and calibration statistics are named by
 * these.
 */
import { ConversionError, isCodecError, rowCount } from "@requant/core";
import { hfToGguf, isRowSelection, rowOrigins, type WeightPlan } from "@requant/models";
import type { GgufPlace } from "../model/guide-entry.ts";
import type { PlanSource } from "./plan.ts";
import type { OutputWeight } from "./typed-weight.ts";

/** The weights of a model by their names in a GGUF. */
export interface GgufPlaces {
  readonly tensors: readonly Pick<OutputWeight, "name" | "shape">[];
  /** Undefined for a weight whose rows are put together, or whose columns have another order there. */
  placeOf(weight: OutputWeight): GgufPlace | undefined;
}

/** @throws ConversionError for a Hugging Face model whose family has no names in GGUF */
export function ggufPlaces(source: PlanSource): GgufPlaces {
  const shapes = new Map(source.tensors.map(({ name, shape }) => [name, shape]));
  const shapeOf = (name: string): readonly number[] => shapes.get(name) ?? [];
  const planned = source.gguf === undefined ? plannedTensors(source) : undefined;
  const places = planned === undefined ? undefined : placesByMatrix(planned, shapeOf);
  return {
    tensors: planned ?? source.tensors,
    placeOf(weight) {
      const stored = matrixOf(weight, shapeOf);
      if (stored === undefined) return undefined;
      const place = places === undefined ? stored : places.get(keyOf(stored));
      return weight.shape.length > 2 && place !== undefined ? { name: place.name } : place;
    },
  };
}

function plannedTensors(source: PlanSource): readonly WeightPlan[] {
  const { hf, name } = source;
  if (hf === undefined) {
    throw new ConversionError("Without a config.json the names of the weights in a GGUF are not known.", {
      path: name,
      hint: "Give the directory of the model.",
    });
  }
  try {
    return hfToGguf(hf, { fileType: "F16", tokenizer: false, contradictions: "report" }).tensors;
  } catch (error) {
    if (!isCodecError(error)) throw error;
    throw new ConversionError(
      `Importance matrices and calibration statistics name weights as GGUF does, and these names are not known here: ${error.message}`,
      { path: name, hint: error.hint, cause: error },
    );
  }
}

/** For each matrix of the stored tensors, the weight of the GGUF that has its first row. */
function placesByMatrix(
  planned: readonly WeightPlan[],
  shapeOf: (name: string) => readonly number[],
): ReadonlyMap<string, GgufPlace> {
  const places = new Map<string, GgufPlace>();
  for (const weight of planned) {
    const { name, shape } = weight;
    if (shape.length < 2 || !isRowSelection(weight)) continue;
    const originOf = rowOrigins(weight, shapeOf);
    const perMatrix = shape.at(-2) ?? 1;
    const keys: string[] = [];
    for (let row = 0; row < rowCount(shape); row += perMatrix) {
      const { tensor, row: storedRow } = originOf(row);
      keys.push(keyOf(ownPlace(tensor, storedRow, shapeOf)));
    }
    // a matrix that becomes a stack of heads is applied to other inputs there
    if (new Set(keys).size < keys.length) continue;
    keys.forEach((key, matrix) => {
      // of fused weights the first one stands for all: they have the same inputs
      if (!places.has(key)) places.set(key, shape.length > 2 ? { name, matrix } : { name });
    });
  }
  return places;
}

/** The stored matrix that a weight, or the first of a stack, has its rows from. */
function matrixOf(weight: OutputWeight, shapeOf: (name: string) => readonly number[]): GgufPlace | undefined {
  if (!isRowSelection(weight) || rowCount(weight.shape) === 0) return undefined;
  const { tensor, row } = rowOrigins(weight, shapeOf)(0);
  return ownPlace(tensor, row, shapeOf);
}

function ownPlace(tensor: string, row: number, shapeOf: (name: string) => readonly number[]): GgufPlace {
  const shape = shapeOf(tensor);
  if (shape.length < 3) return { name: tensor };
  return { name: tensor, matrix: Math.floor(row / Math.max(1, shape.at(-2) ?? 1)) };
}

function keyOf({ name, matrix = 0 }: GgufPlace): string {
  return `${matrix} ${name}`;
}
