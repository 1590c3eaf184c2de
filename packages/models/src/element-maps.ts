/** The arithmetic of elements, in f32, or in f16 as torch computes with the weights of F16 checkpoints. */
import { floatToHalf, halfToFloat } from "@requant/core";
import { expF32 } from "./exp.ts";
import { softplusF32 } from "./log1p.ts";
import type { ElementMap, NamedMap } from "./weight-plan.ts";

type Rounding = (value: number) => number;

const toHalf: Rounding = (value) => halfToFloat(floatToHalf(value));

/** Maps of one element; `ternary` looks at all elements first. */
const namedMaps: Readonly<Record<Exclude<NamedMap, "ternary">, (value: number, round: Rounding) => number>> =
  {
    "add-one": (value, round) => round(value + 1),
    "subtract-one": (value, round) => round(value - 1),
    "negative-exp": (value, round) => -round(expF32(value)),
    "log-negative": (value, round) => round(Math.log(-value)),
    softplus: (value, round) => round(softplusF32(value)),
    "inverse-softplus": (value, round) => round(value + Math.log(-Math.expm1(-value))),
  };

/** @param halves true where each result is rounded to f16 */
export function mapOf(map: Exclude<ElementMap, "ternary">, halves = false): (value: number) => number {
  const round: Rounding = halves ? (value) => toHalf(Math.fround(value)) : Math.fround;
  if (typeof map === "string") {
    const apply = namedMaps[map];
    return (value) => apply(value, round);
  }
  if ("add" in map) {
    const summand = Math.fround(map.add);
    return (value) => round(value + summand);
  }
  if ("multiply" in map) {
    const factors = Float32Array.from(map.multiply);
    return (value) => factors.reduce((product, factor) => round(product * factor), value);
  }
  const divisors = Float32Array.from(map.divide);
  return (value) => divisors.reduce((quotient, divisor) => round(quotient / divisor), value);
}

/**
 * BitNet's rounding of a weight whose elements have this mean size (llama.cpp, conversion/bitnet.py `weight_quant`): the
 * scale is inverted twice, each time with a rounding.
 */
export function ternaryMap(meanSize: number): (value: number) => number {
  const inverse = Math.fround(1 / Math.max(Math.fround(meanSize), Math.fround(1e-5)));
  const size = Math.fround(1 / inverse);
  return (value) => {
    const scaled = Math.fround(value * inverse);
    // half to even: 0.5 is 0, and every larger number is 1; zeros keep their sign
    return scaled > 0.5 ? size : scaled < -0.5 ? -size : scaled * 0;
  };
}
