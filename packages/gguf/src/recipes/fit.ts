import { ConversionError, rowLength } from "@requant/core";
import { tensorTypeByName } from "../constants.ts";
import type { RecipeTensor } from "./request.ts";
import { fallbacks } from "./rules.ts";

export interface Picked {
  readonly type: string;
  readonly reason: string;
  /** Not quantized whatever the target. */
  readonly kept?: boolean;
}

export function blockSize(type: string): number {
  return tensorTypeByName(type).blockSize;
}

/** Without outer dimensions of 1, as ggml counts. */
export function dimensionCount(shape: readonly number[]): number {
  const outermost = shape.findIndex((size) => size > 1);
  return outermost < 0 ? 1 : shape.length - outermost;
}

export function fits(tensor: RecipeTensor, picked: Picked): Picked {
  const size = blockSize(picked.type);
  const length = rowLength(tensor.shape);
  if (length % size === 0) return picked;
  throw new ConversionError(
    `${tensor.name} cannot be ${picked.type}: its rows of ${length} are not a multiple of ${size}.`,
    { tensor: tensor.name, hint: "Choose a type with smaller blocks." },
  );
}

export function withFallback(tensor: RecipeTensor, picked: Picked): Picked {
  const length = rowLength(tensor.shape);
  if (length % blockSize(picked.type) === 0) return picked;
  const fallback = fallbacks[picked.type];
  if (fallback === undefined) return fits(tensor, picked);
  const type = length % blockSize(fallback) === 0 ? fallback : "F16";
  return { type, reason: `rows of ${length} do not fit ${picked.type}` };
}
