/** The arithmetic of elements, in f32. */
import { expF32 } from "./exp.ts";
import type { ElementMap, NamedMap } from "./weight-plan.ts";

const namedMaps: Readonly<Record<NamedMap, (value: number) => number>> = {
  "add-one": (value) => Math.fround(value + 1),
  "subtract-one": (value) => Math.fround(value - 1),
  "negative-exp": (value) => -expF32(value),
  "log-negative": (value) => Math.fround(Math.log(-value)),
};

export function mapOf(map: ElementMap): (value: number) => number {
  if (typeof map === "string") return namedMaps[map];
  if ("add" in map) {
    const summand = Math.fround(map.add);
    return (value) => Math.fround(value + summand);
  }
  if ("multiply" in map) {
    const factors = Float32Array.from(map.multiply);
    return (value) => factors.reduce((product, factor) => Math.fround(product * factor), value);
  }
  const divisors = Float32Array.from(map.divide);
  return (value) => divisors.reduce((quotient, divisor) => Math.fround(quotient / divisor), value);
}
