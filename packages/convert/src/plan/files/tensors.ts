import { partByteLength } from "@requant/core/format";
import { officialOrder } from "@requant/safetensors";
import type { PlanTensor } from "../plan.ts";

/** A tensor as a file stores it: a weight of the plan, or one part of a packed one. */
export interface FileTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly byteLength: number;
  readonly weight: PlanTensor;
  /** Which part of the weight; undefined for the whole. */
  readonly suffix?: string | undefined;
}

/** What is stored of each weight, in the weights' order. */
export function fileTensors(weights: readonly PlanTensor[]): FileTensor[] {
  return weights.flatMap((weight): FileTensor[] => {
    const { name, shape, to, byteLength, linear } = weight;
    if (linear === undefined) return [{ name, shape, encoding: to, byteLength, weight }];
    return linear.parts.map((part) => ({
      name: `${linear.module}.${part.suffix}`,
      shape: part.shape,
      encoding: part.encoding,
      byteLength: partByteLength(part),
      weight,
      suffix: part.suffix,
    }));
  });
}

/** Any dtype can begin at a multiple of this. */
const ALIGNMENT = 8;

/**
 * The order in which a safetensors file stores weights. The official one, unless some are packed: all parts of one weight
 * are made at once, so they stand together, and need not be kept or made again. Parts of odd lengths, which are small,
 * come with all else at the end, so that everything is aligned.
 */
export function safetensorsOrder(tensors: readonly FileTensor[]): FileTensor[] {
  const together = tensors.filter(
    ({ suffix, byteLength }) => suffix !== undefined && byteLength % ALIGNMENT === 0,
  );
  const first = new Set(together);
  return [...together, ...officialOrder(tensors.filter((tensor) => !first.has(tensor)))];
}
