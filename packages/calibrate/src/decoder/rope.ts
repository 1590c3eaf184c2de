/**
 * Rotary positions, with linear and YaRN scaling and with factors from tensors (ggml, ggml_rope_ext; llama.cpp,
 * src/llama-context.cpp for what YaRN multiplies).
 */

/** How rotation depends on position. */
export interface RopeSettings {
  /** `pairs` rotates neighbours, `halves` a number and the one half a length further. */
  readonly kind: "pairs" | "halves";
  /** Numbers of a head that are rotated: the first ones. */
  readonly length: number;
  readonly base: number;
  /** Positions are multiplied by it. */
  readonly scale: number;
  /** Sines and cosines are multiplied by it. */
  readonly magnitude: number;
  readonly yarn?: YarnSettings | undefined;
}

export interface YarnSettings {
  /** The share of unscaled rotation where it is unscaled: 1. */
  readonly mix: number;
  readonly originalContext: number;
  readonly betaFast: number;
  readonly betaSlow: number;
}

/** Cosines and sines for each position: [positions, length / 2]. */
export interface RopeTable {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

/** For each pair the share of the unscaled angle. */
function yarnShares({ length, base, yarn }: RopeSettings): (pair: number) => number {
  if (yarn === undefined) return () => 0;
  const pairAt = (turns: number): number =>
    (length * Math.log(yarn.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(pairAt(yarn.betaFast)));
  const high = Math.min(length - 1, Math.ceil(pairAt(yarn.betaSlow)));
  return (pair) => {
    const ramp = (pair - low) / Math.max(0.001, high - low);
    return (1 - Math.min(1, Math.max(0, ramp))) * yarn.mix;
  };
}

/** @param factors divisors of each pair's angle (rope_freqs, rope_factors_long, rope_factors_short) */
export function ropeTable(
  settings: RopeSettings,
  positions: number,
  factors: Float32Array | undefined,
): RopeTable {
  const pairs = settings.length / 2;
  const cosines = new Float32Array(positions * pairs);
  const sines = new Float32Array(positions * pairs);
  const shareOf = yarnShares(settings);
  for (let pair = 0; pair < pairs; pair++) {
    const frequency = settings.base ** ((-2 * pair) / settings.length) / (factors?.[pair] ?? 1);
    const share = shareOf(pair);
    const perPosition = frequency * (settings.scale * (1 - share) + share);
    for (let position = 0; position < positions; position++) {
      cosines[position * pairs + pair] = Math.cos(position * perPosition) * settings.magnitude;
      sines[position * pairs + pair] = Math.sin(position * perPosition) * settings.magnitude;
    }
  }
  return { cosines, sines };
}

/** Rotates all heads of one window in place: values[tokens, heads, headLength]. */
export function rotate(
  values: Float32Array,
  heads: number,
  headLength: number,
  { kind, length }: RopeSettings,
  { cosines, sines }: RopeTable,
): void {
  const pairs = length / 2;
  const [step, distance] = kind === "pairs" ? [2, 1] : [1, pairs];
  const tokens = values.length / (heads * headLength);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const start = (token * heads + head) * headLength;
      for (let pair = 0; pair < pairs; pair++) {
        const cosine = cosines[token * pairs + pair]!;
        const sine = sines[token * pairs + pair]!;
        const at = start + pair * step;
        const x = values[at]!;
        const y = values[at + distance]!;
        values[at] = x * cosine - y * sine;
        values[at + distance] = x * sine + y * cosine;
      }
    }
  }
}
