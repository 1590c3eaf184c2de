/**
 * How one output tensor is made from stored tensors, as plain JSON for the conversion plan.
 *
 * A tensor is seen as `rowCount × rowLength`. Each input selects, transposes, reorders and maps rows of one stored
 * tensor, in this fixed order: `rows` → `transpose` → `rowLength` → `rowOrder` → `columnOrder` → `map`. The inputs of a
 * plan are concatenated as rows. Expert stacks, fused splits and rope permutations are thus all row selections, which
 * also hold for packed GPTQ, AWQ and EXL2 rows as long as no input has `transpose`, `rowLength`, `columnOrder` or `map`.
 */
import * as z from "zod/mini";
import type { RowOrder } from "./row-order.ts";

/**
 * Elementwise f32 arithmetic by name: `x + 1`, `x - 1`, `-exp(x)`, `log(-x)`, `log(1 + exp(x))` and its inverse. `ternary` is BitNet's rounding: each element
 * becomes -1, 0 or 1 times the mean size of all elements of the stored tensor.
 */
export type NamedMap =
  | "add-one"
  | "subtract-one"
  | "negative-exp"
  | "log-negative"
  | "softplus"
  | "inverse-softplus"
  | "ternary";

/**
 * Elementwise f32 arithmetic. Numbers are rounded to f32 first. `multiply` and `divide` take their numbers one after the
 * other, and each result is rounded.
 */
export type ElementMap =
  | NamedMap
  | { readonly add: number }
  | { readonly multiply: readonly number[] }
  | { readonly divide: readonly number[] };

interface InputSteps {
  /** Half-open range of the rows of the source. */
  readonly rows?: readonly [number, number];
  /** Transposes the selected rows, seen as one matrix. */
  readonly transpose?: true;
  /** Reads the elements as rows of this length in place of the source's own. A 1-D tensor becomes rows of one with 1. */
  readonly rowLength?: number;
  readonly rowOrder?: RowOrder;
  readonly columnOrder?: RowOrder;
  readonly map?: ElementMap;
  /** Rounds each result of `map` to f16: torch computes with the weights of an F16 checkpoint in their own type. */
  readonly halves?: true;
}

/** Rows of a stored tensor. */
export interface StoredInput extends InputSteps {
  readonly tensor: string;
}

/** Several inputs that are joined as rows before the steps: for interleaving or transposing across tensors. */
export interface JoinedInput extends InputSteps {
  readonly join: readonly WeightInput[];
}

/** Numbers that no file stores, computed from the config: rope factors. */
export interface ValuesInput {
  readonly values: readonly number[];
}

/** So many zeros: a bias that the output has and the source lacks. */
export interface ZerosInput {
  readonly zeros: number;
}

/** Positions as waves of `width / 2` lengths, sines before cosines: one row for each position. */
export interface PositionsInput {
  readonly positions: number;
  readonly width: number;
}

/** Where rows of a weight come from. */
export type WeightInput = StoredInput | JoinedInput | ValuesInput | ZerosInput | PositionsInput;

/** How a weight is made from stored tensors. */
export interface WeightPlan {
  /** Name in the output. */
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
  /** Stays F32 whatever the target: norms, biases, routers and the like (llama.cpp, convert_hf_to_gguf.py). */
  readonly forceF32?: true;
  /** The type in which llama.cpp's converter keeps a packed weight, whatever the target. */
  readonly keeps?: string;
}

const countSchema = z.int().check(z.nonnegative());
const rangeSchema = z.tuple([countSchema, countSchema]);

/** Checks row orders of a stored plan. */
export const rowOrderSchema: z.ZodMiniType<RowOrder> = z.union([
  z.strictObject({
    kind: z.enum(["rope-to-pairs", "rope-to-halves"]),
    headCount: z.int().check(z.positive()),
  }),
  z.strictObject({
    kind: z.literal("view"),
    view: z.array(z.int().check(z.positive())).check(z.minLength(1), z.maxLength(64)),
    ranges: z.optional(z.array(z.nullable(rangeSchema)).check(z.maxLength(64))),
    axes: z.optional(z.array(countSchema).check(z.maxLength(64))),
  }),
]) as z.ZodMiniType<RowOrder>;

const factors = z.array(z.number()).check(z.minLength(1), z.maxLength(64));

const steps = {
  rows: z.optional(rangeSchema),
  transpose: z.optional(z.literal(true)),
  rowLength: z.optional(z.int().check(z.positive())),
  rowOrder: z.optional(rowOrderSchema),
  columnOrder: z.optional(rowOrderSchema),
  map: z.optional(
    z.union([
      z.enum([
        "add-one",
        "subtract-one",
        "negative-exp",
        "log-negative",
        "softplus",
        "inverse-softplus",
        "ternary",
      ]),
      z.strictObject({ add: z.number() }),
      z.strictObject({ multiply: factors }),
      z.strictObject({ divide: factors }),
    ]),
  ),
  halves: z.optional(z.literal(true)),
};

/** Checks inputs of a stored plan. */
export const weightInputSchema: z.ZodMiniType<WeightInput> = z.lazy(() =>
  z.union([
    z.strictObject({ tensor: z.string(), ...steps }),
    z.strictObject({ join: z.array(weightInputSchema).check(z.minLength(1)), ...steps }),
    z.strictObject({ values: z.array(z.number()) }),
    z.strictObject({ zeros: z.int().check(z.positive()) }),
    z.strictObject({ positions: z.int().check(z.positive()), width: z.int().check(z.positive()) }),
  ]),
) as z.ZodMiniType<WeightInput>;

/** Checks weights of a stored plan. */
export const weightPlanSchema: z.ZodMiniType<WeightPlan> = z.strictObject({
  name: z.string(),
  shape: z.array(countSchema).check(z.maxLength(64)),
  inputs: z.array(weightInputSchema).check(z.minLength(1)),
  forceF32: z.optional(z.literal(true)),
  keeps: z.optional(z.string()),
}) as z.ZodMiniType<WeightPlan>;

/** Names of all stored tensors that a plan reads, each once. */
export function plannedSources(plan: Pick<WeightPlan, "inputs">): readonly string[] {
  const names = new Set<string>();
  const visit = (input: WeightInput): void => {
    if ("tensor" in input) names.add(input.tensor);
    else if ("join" in input) input.join.forEach(visit);
  };
  plan.inputs.forEach(visit);
  return [...names];
}

/** True when every output row is one whole stored row, unchanged: then packed rows can be moved without decoding them. */
export function isRowSelection(plan: Pick<WeightPlan, "inputs">): boolean {
  return plan.inputs.every(
    (input) =>
      ("tensor" in input || ("join" in input && isRowSelection({ inputs: input.join }))) &&
      !input.transpose &&
      input.rowLength === undefined &&
      !input.columnOrder &&
      !input.map,
  );
}
