/** Llama 3's rope scaling: from its settings to a factor for each pair of dimensions, and back. */
import { shortestFloat } from "./metadata-values.ts";

export interface Llama3Scaling {
  readonly factor: number;
  /** low_freq_factor. */
  readonly low: number;
  /** high_freq_factor. */
  readonly high: number;
  /** original_max_position_embeddings. */
  readonly context: number;
}

type Limits = Omit<Llama3Scaling, "factor">;

const f = Math.fround;

/** The number of tokens in which each pair of dimensions rotates once. */
function wavelengths(theta: number, dimensionCount: number): number[] {
  const lengths: number[] = [];
  for (let index = 0; index < dimensionCount; index += 2) {
    const frequency = f(1 / f(f(theta) ** f(index / dimensionCount)));
    lengths.push(f(f(2 * Math.PI) / frequency));
  }
  return lengths;
}

/** 0 at the low limit, 1 at the high limit. */
function smoothness(wavelength: number, { low, high, context }: Limits): number {
  return f(f(f(context / wavelength) - f(low)) / f(high - low));
}

function factorAt(wavelength: number, scaling: Llama3Scaling): number {
  const { factor, low, high, context } = scaling;
  if (wavelength < f(context / high)) return 1;
  if (wavelength > f(context / low)) return f(factor);
  const smooth = smoothness(wavelength, scaling);
  return f(1 / f(f(f(1 - smooth) / f(factor)) + smooth));
}

/**
 * Per pair of dimensions, how much Llama 3's scaling divides its frequency. Every operation and every setting is rounded
 * to f32, as torch does it: with f64, the intermediate factors would differ in the last bit.
 */
export function llama3Factors(theta: number, dimensionCount: number, scaling: Llama3Scaling): number[] {
  return wavelengths(theta, dimensionCount).map((wavelength) => factorAt(wavelength, scaling));
}

/** The limits of published models: Llama 3.1 to 3.3 and EXAONE 4; Llama 4 Scout; the first with other contexts. */
const publishedLimits: readonly Limits[] = [
  { low: 1, high: 4, context: 8192 },
  { low: 1, high: 1, context: 8192 },
  ...[4096, 2048, 16384, 32768, 65536, 131072].map((context) => ({ low: 1, high: 4, context })),
];

/** High limits that are tried where the values do not determine one. */
const usualHighLimits: readonly number[] = [4, 2, 8, 1.5];

/** The value in its shortest spellings first, then in full. */
function spellings(value: number): number[] {
  const found = new Set<number>([Math.round(value)]);
  for (let digits = 1; digits <= 9; digits++) found.add(Number(value.toPrecision(digits)));
  return [...found];
}

interface Pair {
  readonly wavelength: number;
  readonly value: number;
}

/** Pairs between the limits, whose frequency is neither kept nor divided by the whole factor. */
function between(pairs: readonly Pair[], largest: number): readonly Pair[] {
  return pairs.filter(({ value }) => value > 1 && value < largest);
}

/**
 * Limits that follow from the values where no published limits fit. Only ratios are determined, so the low limit is 1.
 * Between the limits, 1/value is a line over 1/wavelength: two pairs give the context and the high limit.
 */
function* measuredLimits(pairs: readonly Pair[], largest: number): Generator<Limits> {
  const middle = between(pairs, largest);
  const smooth = ({ value }: Pair): number => (1 / value - 1 / largest) / (1 - 1 / largest);
  const [first] = middle;
  const last = middle.at(-1);
  if (first === undefined || last === undefined) {
    // a step from 1 to the factor: any context between the two wavelengths gives it
    const step = pairs.findIndex(({ value }) => value !== 1);
    const [before, after] = [pairs[step - 1]?.wavelength, pairs[step]?.wavelength];
    if (before === undefined || after === undefined) return;
    for (const context of spellings((before + after) / 2)) yield { low: 1, high: 1, context };
    return;
  }
  if (first === last) {
    for (const high of usualHighLimits) {
      const context = first.wavelength * (1 + (high - 1) * smooth(first));
      for (const spelling of spellings(context)) yield { low: 1, high, context: spelling };
    }
    return;
  }
  const slope = (smooth(first) - smooth(last)) / (1 / first.wavelength - 1 / last.wavelength);
  const offset = slope / first.wavelength - smooth(first);
  for (const high of spellings(1 + 1 / offset)) {
    for (const context of spellings(slope / offset)) yield { low: 1, high, context };
  }
}

/**
 * Factors that are possible under some limits: the largest value, or the factor that follows from the last pair between
 * the limits.
 */
function factorsFor(pairs: readonly Pair[], largest: number, limits: Limits): readonly number[] {
  const last = pairs.at(-1);
  if (largest === 1 || last === undefined) return [8, 1];
  if (last.wavelength > limits.context / limits.low) return [shortestFloat(largest)];
  const smooth = smoothness(last.wavelength, limits);
  return spellings((1 - smooth) / (1 / last.value - smooth)).filter((factor) => factor >= 1);
}

export interface SolvedScaling {
  readonly scaling: Llama3Scaling;
  /** Why the settings may differ from the original's; undefined where they are certain. */
  readonly doubt: string | undefined;
}

/**
 * Finds the settings whose factors are these values, except for the last bits; else the nearest settings, with a doubt.
 * @returns undefined where the values cannot be Llama 3's, because a value is below 1 or not a number.
 */
export function solveLlama3(values: ArrayLike<number>, theta: number): SolvedScaling | undefined {
  const lengths = wavelengths(theta, 2 * values.length);
  const pairs = lengths.map(
    (wavelength, index): Pair => ({ wavelength, value: values[index] ?? Number.NaN }),
  );
  let largest = 1;
  for (const { value } of pairs) {
    if (!(value >= 1 && Number.isFinite(value))) return undefined;
    if (value > largest) largest = value;
  }
  const published = bestOf(pairs, largest, publishedLimits);
  if (published !== undefined && published.difference <= LAST_BITS) {
    const doubt = "rope_freqs.weight is 1 everywhere, which does not tell the factor";
    return { scaling: published.scaling, doubt: largest === 1 ? doubt : undefined };
  }
  const measured = bestOf(pairs, largest, measuredLimits(pairs, largest));
  if (measured !== undefined && measured.difference <= LAST_BITS) {
    const doubt =
      "rope_freqs.weight gives the factor and the ratio of limits and context; these settings give its values";
    return { scaling: measured.scaling, doubt };
  }
  const found = [published, measured].filter((one) => one !== undefined);
  const [nearest] = found.sort((one, other) => one.difference - other.difference);
  if (nearest === undefined) return undefined;
  const off = `${Number((100 * nearest.difference).toPrecision(2))} %`;
  const doubt = `no settings give the values of rope_freqs.weight; these are off by up to ${off}`;
  return { scaling: nearest.scaling, doubt };
}

/**
 * Power functions in f32 are not always correctly rounded: results of numpy and torch may differ from JavaScript's by a
 * unit in the last place, which the formula may double. No two realistic settings are this close.
 */
export const LAST_BITS: number = 2 ** -20;

interface Candidate {
  readonly scaling: Llama3Scaling;
  readonly difference: number;
}

/** The first settings that reproduce the values bit by bit, else the nearest ones. */
function bestOf(pairs: readonly Pair[], largest: number, limits: Iterable<Limits>): Candidate | undefined {
  let best: Candidate | undefined;
  for (const some of limits) {
    for (const factor of factorsFor(pairs, largest, some)) {
      const scaling = { factor, ...some };
      const difference = largestDifference(pairs, scaling);
      if (difference === 0) return { scaling, difference };
      if (difference < (best?.difference ?? Number.POSITIVE_INFINITY)) best = { scaling, difference };
    }
  }
  return best;
}

/** Relative to the value; 0 only where all bits are the same. */
function largestDifference(pairs: readonly Pair[], scaling: Llama3Scaling): number {
  let largest = 0;
  for (const { wavelength, value } of pairs) {
    const difference = Math.abs(factorAt(wavelength, scaling) - value) / value;
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > largest) largest = difference;
  }
  return largest;
}
