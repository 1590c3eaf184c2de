/** Functions between the matrices of a feed-forward (ggml, ggml_silu, ggml_gelu: the approximation by tanh). */
const FACTOR = Math.sqrt(2 / Math.PI);

export const activations: Readonly<Record<"silu" | "gelu", (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + Math.tanh(FACTOR * x * (1 + 0.044715 * x * x))),
};

/** Replaces values by f(values), or by f(gate) × values. */
export function activate(
  kind: keyof typeof activations,
  gate: Float32Array | undefined,
  values: Float32Array,
): void {
  const f = activations[kind];
  if (gate === undefined) for (let i = 0; i < values.length; i++) values[i] = f(values[i]!);
  else for (let i = 0; i < values.length; i++) values[i] = f(gate[i]!) * values[i]!;
}
