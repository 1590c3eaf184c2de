import { roundHalfEven } from "@requant/core";

/** How the codes of a group are chosen while scales and clips are searched. */
export interface GroupRounding {
  /** Columns per group; −1: one group per row. */
  readonly groupSize: number;
  /** True: codes −8 … 7 around zero, as Marlin stores them. */
  readonly symmetric?: boolean | undefined;
}

const fround = Math.fround;
const LEAST_RANGE = /* @__PURE__ */ fround(1e-5);
const MAX_CODE = 15;

/** Columns of a group. */
export function columnsPerGroup({ groupSize }: GroupRounding, columns: number): number {
  return groupSize === -1 ? columns : groupSize;
}

/**
 * What is left of the weights `[start, end)`, one group, after they were rounded to 4 bits. The range is that of the
 * weights and need not include 0; scales are f32; every step is rounded to f32. Source: AutoAWQ, awq/quantize/quantizer.py
 * (`pseudo_quantize_tensor`).
 */
export function roundGroup(
  values: Float32Array,
  start: number,
  end: number,
  symmetric: boolean,
  out: Float32Array,
  outStart: number,
): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (symmetric) {
    const scale = fround(Math.max(LEAST_RANGE, max, -min) / 7);
    for (let i = start, to = outStart; i < end; i++, to++) {
      const code = Math.max(-8, Math.min(7, roundHalfEven(fround(values[i]! / scale))));
      out[to] = fround(code * scale);
    }
    return;
  }
  const scale = fround(Math.max(LEAST_RANGE, fround(max - min)) / MAX_CODE);
  const zero = Math.max(0, Math.min(MAX_CODE, -roundHalfEven(fround(min / scale))));
  for (let i = start, to = outStart; i < end; i++, to++) {
    const code = Math.max(0, Math.min(MAX_CODE, roundHalfEven(fround(values[i]! / scale)) + zero));
    out[to] = fround((code - zero) * scale);
  }
}
