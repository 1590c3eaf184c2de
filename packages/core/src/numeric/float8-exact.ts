/** What decides whether a float type holds a number. */
interface FloatType {
  readonly name: "BF16" | "F16";
  readonly significandBits: number;
  /** Exponent of its smallest step. */
  readonly leastExponent: number;
  readonly largest: number;
}

const FLOAT_TYPES: readonly FloatType[] = [
  { name: "BF16", significandBits: 8, leastExponent: -133, largest: (2 - 2 ** -7) * 2 ** 127 },
  { name: "F16", significandBits: 11, leastExponent: -24, largest: 65504 },
];

/** Levels of a table: each is at most so many bits times a power of two. */
interface Levels {
  readonly significandBits: number;
  readonly leastExponent: number;
  readonly largest: number;
}

/** @inline */
type LevelTableName = "E2M1" | "E4M3" | "E5M2";

const LEVELS: Readonly<Record<LevelTableName, Levels>> = {
  E2M1: { significandBits: 2, leastExponent: -1, largest: 6 },
  E4M3: { significandBits: 4, leastExponent: -9, largest: 448 },
  E5M2: { significandBits: 3, leastExponent: -16, largest: 57344 },
};

const float: Float32Array = /* @__PURE__ */ new Float32Array(1);
const floatBits: Uint32Array = /* @__PURE__ */ new Uint32Array(float.buffer);

/**
 * The float types narrower than F32 that hold every number of a table times each of these scales: both where
 * all scales are powers of two of moderate size. None for scales of which one is no finite number.
 * @example
 * import { exactFloatTypes } from "@requant/core/numeric";
 *
 * exactFloatTypes(Float32Array.of(0.5, 2 ** -40)); // ["BF16"]
 */
export function exactFloatTypes(scales: Float32Array, table: LevelTableName = "E4M3"): ("BF16" | "F16")[] {
  const levels = LEVELS[table];
  let significandBits = 0;
  let leastExponent = 0;
  let largest = 0;
  for (let i = 0; i < scales.length; i++) {
    const scale = Math.abs(scales[i]!);
    if (!Number.isFinite(scale)) return [];
    if (scale === 0) continue;
    float[0] = scale;
    const bits = floatBits[0]!;
    const exponent = bits >>> 23;
    const significand = (bits & 0x7fffff) | (exponent === 0 ? 0 : 0x800000);
    const zeros = 31 - Math.clz32(significand & -significand);
    significandBits = Math.max(significandBits, 32 - Math.clz32(significand) - zeros);
    leastExponent = Math.min(leastExponent, Math.max(exponent, 1) - 150 + zeros);
    largest = Math.max(largest, scale);
  }
  return FLOAT_TYPES.filter(
    (type) =>
      significandBits + levels.significandBits <= type.significandBits &&
      leastExponent + levels.leastExponent >= type.leastExponent &&
      largest * levels.largest <= type.largest,
  ).map(({ name }) => name);
}
