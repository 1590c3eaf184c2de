/**
 * The scale and zero point of a group with the least weighted squared error, Σ importance × (weight − value)². Every step
 * is rounded to f32, so that a kernel finds the same.
 *
 * Sixteen candidates are tried together: smaller shares of the range first, in three ways (both ends give way, or one end
 * stays where it is), then neighbours of the best so far in scale and zero point, the scale that is best for its codes
 * (least squares) among them, in ever smaller steps. What is found first is kept where the errors are equal.
 */
import { ROUND_TO } from "../numeric/float-rounding.ts";
import { roundHalfEven } from "../numeric/round.ts";

/** A scale and a zero point. */
export interface Step {
  readonly scale: number;
  readonly zero: number;
}

/** What a search may choose from. */
export interface StepRules {
  readonly maxCode: number;
  /** True: the zero point stays. */
  readonly symmetric: boolean;
  readonly minZero: number;
  readonly scale: keyof typeof ROUND_TO;
}

/** Candidates that are tried together. */
export const CANDIDATES = 16;

/** The shares of each family of candidates. */
export const COARSE_ROUNDS = 3;

/** Rounds of neighbours; their steps shrink by half. */
export const FINE_ROUNDS = 3;

const fround = Math.fround;

/** Share of the range that candidate `i` of a coarse round has. */
export function coarseShare(round: number, i: number, symmetric: boolean): number {
  return symmetric ? fround(1.0625 - (i * COARSE_ROUNDS + round) / 64) : fround(1 - i / 24);
}

/** How much larger than the best scale so far candidate `i` of a fine round is: five steps for each of three zero points. */
export function fineFactor(round: number, i: number): number {
  return fround(1 + ((i % 5) - 2) / (64 * 2 ** round));
}

/** The zero points of the fine candidates, from the best one. */
export function fineZero(i: number): number {
  return Math.floor(i / 5) - 1;
}

/** The last candidate of a fine round has the scale that is best for the best codes so far. */
export const LEAST_SQUARES = 15;

/** The best step found; `start` is the step that is used where nothing is better. */
export function searchStep(
  values: Float32Array,
  importance: Float32Array,
  start: Step,
  rules: StepRules,
): Step {
  const round = ROUND_TO[rules.scale];
  const scales = new Float32Array(CANDIDATES);
  const zeros = new Float32Array(CANDIDATES);
  let best: Tried | undefined;
  const tryAll = (): void => {
    for (let i = 0; i < CANDIDATES; i++) {
      const error = tried(values, importance, scales[i]!, zeros[i]!, rules.maxCode);
      if (best === undefined || error.error < best.error) best = error;
    }
  };
  for (let family = 0; family < COARSE_ROUNDS; family++) {
    for (let i = 0; i < CANDIDATES; i++) {
      const share = coarseShare(family, i, rules.symmetric);
      scales[i] = round(fround(fround(start.scale) * share));
      zeros[i] = rules.symmetric ? start.zero : bounded(zeroOf(family, start.zero, share, rules), rules);
    }
    if (family === 0) [scales[0], zeros[0]] = [start.scale, start.zero];
    tryAll();
  }
  for (let fine = 0; fine < FINE_ROUNDS; fine++) {
    const { scale, zero, shift } = best!;
    for (let i = 0; i < LEAST_SQUARES; i++) {
      scales[i] = round(fround(scale * fineFactor(fine, i)));
      zeros[i] = rules.symmetric ? zero : bounded(fround(zero + fineZero(i)), rules);
    }
    scales[LEAST_SQUARES] = round(fround(scale + shift));
    zeros[LEAST_SQUARES] = zero;
    tryAll();
  }
  const { scale, zero } = best!;
  return { scale, zero };
}

/** Zero point of a smaller range: both ends give way, the lower end stays, or the upper end stays. */
function zeroOf(family: number, zero: number, share: number, { maxCode }: StepRules): number {
  if (family === 0) return zero;
  if (family === 1) return roundHalfEven(fround(zero / share));
  return fround(maxCode - roundHalfEven(fround(fround(maxCode - zero) / share)));
}

function bounded(zero: number, { minZero, maxCode }: StepRules): number {
  return Math.max(minZero, Math.min(maxCode, zero));
}

interface Tried extends Step {
  readonly error: number;
  /** How much the scale would change to be best for the codes that it gives. */
  readonly shift: number;
}

function tried(
  values: Float32Array,
  importance: Float32Array,
  scale: number,
  zero: number,
  maxCode: number,
): Tried {
  const inverse = fround(1 / scale);
  const lowest = -zero;
  const highest = fround(maxCode - zero);
  let error = 0;
  let slope = 0;
  let curve = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const level = Math.max(lowest, Math.min(highest, roundHalfEven(fround(value * inverse))));
    const rest = fround(value - fround(level * scale));
    const weighted = fround(level * importance[i]!);
    error = fround(error + fround(fround(rest * importance[i]!) * rest));
    slope = fround(slope + fround(weighted * rest));
    curve = fround(curve + fround(weighted * level));
  }
  return { scale, zero, error, shift: fround(slope / curve) };
}
