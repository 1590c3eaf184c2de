/** Weights that are NaN or infinite: found while encoding, because only then the values are seen. */

/** The first of some weights that are not finite, and how many there are. */
export interface NonFiniteWeights {
  readonly count: number;
  /** Flat index of the first one, row by row. */
  readonly index: number;
  readonly value: number;
  /** What it is once it is stored. */
  readonly stored: number;
  /** The largest of these weights in the block of the first one, and its index: the one that the scale could not hold. */
  readonly largest: number;
  readonly largestIndex: number;
}

export interface NonFinite {
  /** Weights that are not finite before they are encoded. */
  readonly given?: NonFiniteWeights | undefined;
  /** Finite weights that are not finite once they are stored. */
  readonly made?: NonFiniteWeights | undefined;
}

/** Both, as one: the first of either. */
export function joinedNonFinite(a: NonFinite | undefined, b: NonFinite | undefined): NonFinite | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return nonFinite(joined(a.given, b.given), joined(a.made, b.made));
}

function joined(
  a: NonFiniteWeights | undefined,
  b: NonFiniteWeights | undefined,
): NonFiniteWeights | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { ...(a.index <= b.index ? a : b), count: a.count + b.count };
}

function nonFinite(given: NonFiniteWeights | undefined, made: NonFiniteWeights | undefined): NonFinite {
  return { ...(given === undefined ? {} : { given }), ...(made === undefined ? {} : { made }) };
}

/** The same weights, counted from the start of the tensor: `start` weights stand before the stretch that was looked at. */
export function movedNonFinite({ given, made }: NonFinite, start: number): NonFinite {
  const move = (weights: NonFiniteWeights | undefined): NonFiniteWeights | undefined =>
    weights && { ...weights, index: weights.index + start, largestIndex: weights.largestIndex + start };
  return nonFinite(move(given), move(made));
}

/**
 * Looks at each weight and what it became; undefined where all are finite. The first weight begins a block of `blockSize`
 * weights, which share scales.
 */
export function findNonFinite(
  values: Float32Array,
  stored: Float32Array,
  blockSize = 1,
): NonFinite | undefined {
  let given: NonFiniteWeights | undefined;
  let made: NonFiniteWeights | undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const after = stored[i]!;
    // a finite number minus itself is 0, NaN and the infinities minus themselves are NaN
    if (value - value + (after - after) === 0) continue;
    const weight = { count: 1, index: i, value, stored: after, largest: value, largestIndex: i };
    if (value - value !== 0) given = joined(given, weight);
    else if (made !== undefined && isLarger(weight, made, blockSize)) {
      made = { ...made, count: made.count + 1, largest: value, largestIndex: i };
    } else made = joined(made, weight);
  }
  return given === undefined && made === undefined ? undefined : nonFinite(given, made);
}

function isLarger(weight: NonFiniteWeights, than: NonFiniteWeights, blockSize: number): boolean {
  const isSameBlock = Math.floor(weight.index / blockSize) === Math.floor(than.index / blockSize);
  return isSameBlock && Math.abs(weight.value) > Math.abs(than.largest);
}

/** [row, column] of a flat index, with the matrices of a stack before them. */
export function placeOf(shape: readonly number[], index: number): number[] {
  const place: number[] = [];
  let rest = index;
  for (const size of (shape.length < 2 ? [1, ...shape] : shape).toReversed()) {
    place.unshift(rest % Math.max(1, size));
    rest = Math.floor(rest / Math.max(1, size));
  }
  return place;
}
