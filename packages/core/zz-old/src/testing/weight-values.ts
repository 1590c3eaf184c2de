/** All numbers of a weight, read in different ways. */
import type { OpenedWeight } from "../format/linear-codec.ts";
import { dequantizeView, roundToHalf } from "../view/integer-view.ts";
import { dequantizeLevels, isLevelView, type StoredView } from "../view/level-view.ts";

/** Rows `[start, end)`; all by default. */
export function rowsOf(weight: OpenedWeight, start = 0, end: number = weight.rows): Float32Array {
  const values = new Float32Array((end - start) * weight.columns);
  weight.dequantize(start, end, values);
  return values;
}

/** Rows `[start, end)` as the view that the weight has; undefined where it has none. */
export function viewOf(weight: OpenedWeight, start = 0, end: number = weight.rows): StoredView | undefined {
  return weight.toView === undefined ? weight.toLevels?.(start, end) : weight.toView(start, end);
}

/** The values of a view. */
export function valuesOfView(view: StoredView): Float32Array {
  const values = new Float32Array(view.rows * view.columns);
  if (isLevelView(view)) dequantizeLevels(view, values);
  else dequantizeView(view, values);
  return values;
}

/** The values, each rounded to f16. */
export function halvesOf(values: Float32Array): Float32Array {
  const halves = values.slice();
  roundToHalf(halves);
  return halves;
}

/** Numbers between −1 and 1 that look random and are the same at every run. */
export function noise(length: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
