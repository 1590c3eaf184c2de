/** Experts in one tensor: stacks that are stored transposed with gate and up in one, and matrices with one expert below the other. */
import type { Config } from "../config.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { TensorRule } from "./architecture.ts";
import { transposedStack } from "./tensors.ts";

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

const rowsOf = (tensor: string, expert: number, rows: number): StoredInput => ({
  tensor,
  rows: [expert * rows, (expert + 1) * rows],
});

/** `[E, in, 2 × ff]`, gate columns first ↔ two of `[E, ff, in]`. */
const gateUpExperts = (prefix: string): TensorRule => ({
  hf: [`${prefix}.gate_up_proj`],
  gguf: ["blk.{layer}.ffn_gate_exps.weight", "blk.{layer}.ffn_up_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [experts = 1, inner = 1, both = 2] = shapeOf(name);
    return [0, 1].map((part) => ({
      shape: [experts, both / 2, inner],
      inputs: range(experts).map(
        (expert): WeightInput => ({
          ...rowsOf(name, expert, inner),
          transpose: true,
          rowOrder: { kind: "view", view: [both], ranges: [[(part * both) / 2, ((part + 1) * both) / 2]] },
        }),
      ),
    }));
  },
  toHf: (parts, { shapeOf }) => {
    const [experts = 1, rows = 1, inner = 1] = shapeOf(parts[0] ?? "");
    const inputs = range(experts).map(
      (expert): WeightInput => ({
        join: parts.map((tensor) => rowsOf(tensor, expert, rows)),
        transpose: true,
      }),
    );
    return [[{ shape: [experts, inner, 2 * rows], inputs }]];
  },
});

/** Down first: the order in which llama.cpp's converter writes them. */
export const transposedExperts = (prefix: string): readonly TensorRule[] => [
  transposedStack(`${prefix}.down_proj`, "blk.{layer}.ffn_down_exps.weight"),
  gateUpExperts(prefix),
];

/** All experts in one matrix, without `.weight` in their name; the last of an expert is stored transposed. */
export function expertMatrix(
  hf: string,
  gguf: string,
  countOf: (config: Config) => number,
  layout?: "transposed",
): TensorRule {
  const isTransposed = layout === "transposed";
  const turned = (tensor: string, experts: number, rows: number): readonly WeightInput[] =>
    range(experts).map((expert) => ({ ...rowsOf(tensor, expert, rows), transpose: true }));
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], { config, shapeOf }) => {
      const tensor = names?.[0] ?? "";
      const [rows = 0, length = 0] = shapeOf(tensor);
      const experts = countOf(config);
      const size = rows / experts;
      if (!isTransposed) return [{ shape: [experts, size, length], inputs: [{ tensor }] }];
      return [{ shape: [experts, length, size], inputs: turned(tensor, experts, size) }];
    },
    toHf: ([tensor = ""], { shapeOf }) => {
      const [experts = 0, rows = 0, length = 0] = shapeOf(tensor);
      if (!isTransposed) return [[{ shape: [experts * rows, length], inputs: [{ tensor }] }]];
      return [[{ shape: [experts * length, rows], inputs: turned(tensor, experts, rows) }]];
    },
  };
}
