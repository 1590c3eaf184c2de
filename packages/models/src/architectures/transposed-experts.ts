/** Experts in stacks that are stored transposed, gate and up in one (Llama 4, Qwen3-VL). */
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { TensorRule } from "./architecture.ts";

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

const rowsOf = (tensor: string, expert: number, rows: number): StoredInput => ({
  tensor,
  rows: [expert * rows, (expert + 1) * rows],
});

/** `[E, in, out]` ↔ `[E, out, in]`. */
const downExperts = (prefix: string): TensorRule => ({
  hf: [`${prefix}.down_proj`],
  gguf: ["blk.{layer}.ffn_down_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [experts = 1, inner = 1, outer = 1] = shapeOf(name);
    const inputs = range(experts).map((expert) => ({
      ...rowsOf(name, expert, inner),
      transpose: true as const,
    }));
    return [{ shape: [experts, outer, inner], inputs }];
  },
  toHf: ([name = ""], { shapeOf }) => {
    const [experts = 1, outer = 1, inner = 1] = shapeOf(name);
    const inputs = range(experts).map((expert) => ({
      ...rowsOf(name, expert, outer),
      transpose: true as const,
    }));
    return [[{ shape: [experts, inner, outer], inputs }]];
  },
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
  downExperts(prefix),
  gateUpExperts(prefix),
];
