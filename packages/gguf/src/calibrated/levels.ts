import { lowerNonlinearCode, NONLINEAR_VALUES } from "../types/iq/nonlinear.ts";

/** The levels that the codes of a type mean: ascending integers. This is the innermost loop of the search for steps. */
export class Levels {
  readonly values: Float32Array;
  readonly first: number;
  readonly last: number;
  private readonly isNonlinear: boolean;

  constructor(values: Float32Array, isNonlinear: boolean) {
    this.values = values;
    this.first = values[0]!;
    this.last = values[values.length - 1]!;
    this.isNonlinear = isNonlinear;
  }

  /** The code whose level is nearest to a number. */
  nearestCode(value: number): number {
    return this.isNonlinear ? lowerNonlinearCode(value) : this.nearestInteger(value) - this.first;
  }

  /** The level of `nearestCode`. */
  nearestLevel(value: number): number {
    return this.isNonlinear ? this.values[lowerNonlinearCode(value)]! : this.nearestInteger(value);
  }

  private nearestInteger(value: number): number {
    return Math.max(this.first, Math.min(this.last, roundHalfUp(value)));
  }
}

/** All integers of a range. */
export function integerLevels(min: number, max: number): Levels {
  return new Levels(
    Float32Array.from({ length: max - min + 1 }, (_, code) => min + code),
    false,
  );
}

/** Those of IQ4_NL and IQ4_XS. */
export function nonlinearLevels(): Levels {
  return new Levels(Float32Array.from(NONLINEAR_VALUES), true);
}

/** Adding and taking away 1.5 × 2^52 leaves a double rounded to the nearest integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** As Math.round below 2^51, in a third of the time: Math.round branches on the fraction. */
function roundHalfUp(value: number): number {
  const even = value + ROUND - ROUND;
  return even - value === -0.5 ? even + 1 : even;
}
