import { ConversionError, rowLength } from "@requant/core";
import { tensorTypeByName } from "../constants.ts";
import type { RecipeTensor } from "./request.ts";
import { fallbacks } from "./rules.ts";

export interface Picked {
  readonly type: string;
  readonly reason: string;
  /** Not quantized whatever the target. */
  readonly kept?: boolean;
  /** The type that was chosen first, where the rows are no whole blocks of it. */
  readonly wanted?: string;
  /** One of `tensorTypes` decided. */
  readonly isOverridden?: boolean;
}

/** Rows that are no multiple of it are whole blocks of no block type. */
const SMALLEST_BLOCK = 32;

export function blockSize(type: string): number {
  return tensorTypeByName(type).blockSize;
}

/** Without outer dimensions of 1, as ggml counts. */
export function dimensionCount(shape: readonly number[]): number {
  const outermost = shape.findIndex((size) => size > 1);
  return outermost < 0 ? 1 : shape.length - outermost;
}

/** @throws ConversionError where the rows are no whole blocks of the type */
export function fits(tensor: RecipeTensor, picked: Picked): Picked {
  const size = blockSize(picked.type);
  const length = rowLength(tensor.shape);
  if (length % size === 0) return picked;
  throw new ConversionError(
    `${tensor.name} cannot be ${picked.type}: its rows of ${length} are not a multiple of ${size}.`,
    { tensor: tensor.name, hint: "Choose a type with smaller blocks." },
  );
}

/**
 * Another type where the rows are no whole blocks of the chosen one: llama-quantize's (llama.cpp, src/llama-quant.cpp,
 * `tensor_type_fallback`), or F16. Where no block type at all fits and llama-quantize stops, F16 as well.
 * @throws ConversionError where llama-quantize knows no other type and a block type would fit
 */
export function withFallback(tensor: RecipeTensor, picked: Picked): Picked {
  const length = rowLength(tensor.shape);
  return length % SMALLEST_BLOCK !== 0 && blockSize(picked.type) > 1
    ? insteadOf(picked, "F16", length)
    : withNamedFallback(tensor, picked);
}

/** The same for a type that the user named: F16 only where llama-quantize makes it so. */
export function withNamedFallback(tensor: RecipeTensor, picked: Picked): Picked {
  const length = rowLength(tensor.shape);
  if (length % blockSize(picked.type) === 0) return picked;
  const fallback = fallbacks[picked.type];
  if (fallback === undefined) return fits(tensor, picked);
  return insteadOf(picked, length % blockSize(fallback) === 0 ? fallback : "F16", length);
}

function insteadOf({ type: wanted }: Picked, type: string, length: number): Picked {
  return {
    type,
    wanted,
    reason: `its rows of ${length} are no whole blocks of ${blockSize(wanted)}`,
  };
}
