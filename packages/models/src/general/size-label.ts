/**
 * `general.size_label` where the name has no size: parameters in two digits, experts apart (gguf-py, utility.py and
 * gguf_writer.py).
 */
import { elementCount } from "@requant/core";

interface Counted {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface ParameterCounts {
  readonly total: number;
  readonly shared: number;
  /** Parameters of one expert over all layers. */
  readonly oneExpert: number;
  readonly expertCount: number;
}

export function countParameters(tensors: readonly Counted[]): ParameterCounts {
  let total = 0;
  let shared = 0;
  let oneExpert = 0;
  let experts = 0;
  let stacks = 0;
  for (const { name, shape } of tensors) {
    const size = elementCount(shape);
    total += size;
    // biases, scales and norms of experts count as shared
    if (!name.endsWith("_exps.weight") || shape.length < 3) {
      shared += size;
      continue;
    }
    const count = shape[0] ?? 1;
    oneExpert += Math.floor(size / count);
    experts += count;
    stacks++;
  }
  return { total, shared, oneExpert, expertCount: stacks === 0 ? 0 : Math.floor(experts / stacks) };
}

/** Half to even, as Python's round and format do it for exactly representable halves. */
function fixed(value: number, digits: number): string {
  const scaled = value * 10 ** digits;
  const floor = Math.floor(scaled);
  const isHalf = scaled - floor === 0.5 && Number.isInteger(value * 2 * 10 ** digits);
  return (isHalf ? (floor % 2 === 0 ? floor : floor + 1) / 10 ** digits : value).toFixed(digits);
}

export function roundedCount(parameters: number): string {
  const [scale, suffix] =
    parameters > 1e12
      ? [1e-12, "T"]
      : parameters > 1e9
        ? [1e-9, "B"]
        : parameters > 1e6
          ? [1e-6, "M"]
          : [1e-3, "K"];
  const scaled = parameters * (scale as number);
  const digits = fixed(scaled, 0).replace(/^0+/, "").length;
  return `${fixed(scaled, Math.max(2 - digits, 0))}${suffix}`;
}

export function sizeLabel({ total, shared, oneExpert, expertCount }: ParameterCounts): string {
  return expertCount > 0 ? `${expertCount}x${roundedCount(shared + oneExpert)}` : roundedCount(total);
}
