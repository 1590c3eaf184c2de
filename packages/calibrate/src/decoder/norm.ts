/** Weights and bias of a norm; several rows of weights are for several heads. */
export interface NormValues {
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  /** Numbers that are normalized together. */
  readonly run: number;
}

/**
 * Normalizes each run of numbers: by its root mean square (`rms`), or by mean and deviation (`layer`). Where the weight is
 * longer than a run, neighbouring runs take its parts in turn: a weight for each head.
 * @param out may be `values`
 */
export function normalize(
  values: Float32Array,
  kind: "rms" | "layer",
  norm: NormValues,
  epsilon: number,
  out: Float32Array,
): void {
  const { weight, bias, run: length } = norm;
  for (let start = 0; start < values.length; start += length) {
    const own = start % weight.length;
    let mean = 0;
    if (kind === "layer") {
      for (let i = start; i < start + length; i++) mean += values[i]!;
      mean /= length;
    }
    let squares = 0;
    for (let i = start; i < start + length; i++) squares += (values[i]! - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / length + epsilon);
    for (let i = 0; i < length; i++) {
      const scaled = (values[start + i]! - mean) * scale * weight[own + i]!;
      out[start + i] = bias === undefined ? scaled : scaled + bias[own + i]!;
    }
  }
}
