/**
 * What a LoRA adapter adds to the weights of its base model: W + scale × B A, with A of [rank, in] and B of [out, rank]. An update
 * moves from one naming to another with its weight: what selects rows of the weight selects rows of B.
 */
import { ConversionError, elementCount, FormatError, UnsupportedError } from "@requant/core";
import type { StoredInput, WeightInput, WeightPlan } from "../weight-plan.ts";

/** A planned factor of an update; a stack of experts has one for each, on the first axis. */
export interface LoraFactor {
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

/** The update of one weight. */
export interface LoraUpdate {
  /** The name of the weight that changes. */
  readonly weight: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** `[rank, in]`, or `[experts, rank, in]`. */
  readonly a: LoraFactor;
  /** `[out, rank]`, or `[experts, out, rank]`. */
  readonly b: LoraFactor;
  /** True where the weight is stored transposed, as embeddings are: it gets (B A)ᵀ. */
  readonly isTransposed: boolean;
  readonly rank: number;
  /** The adapter's alpha for this weight: the update is multiplied by alpha / rank. */
  readonly alpha: number;
}

/** A tensor that was trained whole and takes the place of the base model's. */
export interface WholeTensor {
  readonly weight: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

/** Everything that an adapter changes. */
export interface LoraAdapter {
  readonly updates: readonly LoraUpdate[];
  readonly whole: readonly WholeTensor[];
}

/** The two stored factors of an update, as an adapter names them. */
export interface StoredFactors {
  readonly a: { readonly name: string; readonly shape: readonly number[] };
  readonly b: { readonly name: string; readonly shape: readonly number[] };
  readonly isTransposed: boolean;
  /** True where A is stored as `[in, rank]`. */
  readonly flippedA?: boolean;
  readonly alpha: number | ((rank: number) => number);
}

/**
 * An update from stored factors.
 * @throws FormatError when the shapes do not fit each other
 */
export function updateOf(weight: string, { a, b, isTransposed, flippedA, alpha }: StoredFactors): LoraUpdate {
  const experts = a.shape.slice(0, -2);
  const shapeA = flippedA ? [a.shape[1] ?? 0, a.shape[0] ?? 0] : a.shape;
  const [rank = 0, width = 0] = shapeA.slice(-2);
  const [height = 0, rankOfB] = b.shape.slice(-2);
  const isStackOfSame = experts.join() === b.shape.slice(0, -2).join() && experts.length <= 1;
  if (a.shape.length < 2 || b.shape.length < 2 || !isStackOfSame || rank !== rankOfB || rank === 0) {
    throw new FormatError(
      `The factors of an update do not fit each other: A is [${shapeA.join(", ")}], B is [${b.shape.join(", ")}].`,
      { tensor: a.name, hint: "A is [rank, in] and B is [out, rank]: download the adapter again." },
    );
  }
  return {
    weight,
    shape: [...experts, ...(isTransposed ? [width, height] : [height, width])],
    a: { shape: shapeA, inputs: [{ tensor: a.name, ...(flippedA ? { transpose: true } : {}) }] },
    b: { shape: b.shape, inputs: [{ tensor: b.name }] },
    isTransposed,
    rank,
    alpha: typeof alpha === "number" ? alpha : alpha(rank),
  };
}

/** One input of a planned weight, as the factors that it needs. */
interface Part {
  readonly source: LoraUpdate;
  readonly a: readonly WeightInput[];
  readonly b: readonly WeightInput[];
  readonly isTransposed: boolean;
}

function cannotMove(plan: WeightPlan, why: string): ConversionError {
  return new ConversionError(`The update of ${plan.name} has no two factors in the other naming: ${why}.`, {
    tensor: plan.name,
    hint: "Merge the adapter into its base model, and convert the merged model.",
  });
}

function partOf(input: WeightInput, plan: WeightPlan, updates: ReadonlyMap<string, LoraUpdate>): Part {
  const source = "tensor" in input ? updates.get(input.tensor) : undefined;
  if (source === undefined || !("tensor" in input))
    throw cannotMove(plan, "it is not made of one weight's rows");
  const { tensor: _, transpose, rowLength, rows, ...rest } = input;
  const [a] = source.a.inputs;
  const [b] = source.b.inputs;
  if (a === undefined || b === undefined || !("tensor" in a) || !("tensor" in b)) {
    throw cannotMove(plan, "its factors were moved before");
  }
  const hasSteps = rows !== undefined || Object.keys(rest).length > 0;
  if (transpose === true || source.isTransposed) {
    if (hasSteps || rowLength !== undefined || source.shape.length > 2) {
      throw cannotMove(plan, "the weight is transposed and its rows are selected");
    }
    return { source, a: [a], b: [b], isTransposed: (transpose === true) !== source.isTransposed };
  }
  if (rowLength !== undefined) throw cannotMove(plan, "the weight is cut into rows of another length");
  return { source, ...selected(source, { a, b, input }, plan), isTransposed: false };
}

function selected(
  source: LoraUpdate,
  { a, b, input }: { readonly a: StoredInput; readonly b: StoredInput; readonly input: StoredInput },
  plan: WeightPlan,
): Pick<Part, "a" | "b"> {
  const { rows, rowOrder, columnOrder, map } = input;
  if (map !== undefined && (typeof map === "string" || "add" in map)) {
    throw cannotMove(plan, "a number is added to the weight");
  }
  const ofB: StoredInput = {
    ...b,
    ...(rows ? { rows } : {}),
    ...(rowOrder ? { rowOrder } : {}),
    ...(map === undefined ? {} : { map }),
  };
  const ofA: StoredInput = { ...a, ...(columnOrder ? { columnOrder } : {}) };
  if (source.shape.length < 3) return { a: [ofA], b: [ofB] };
  const [experts = 1, height = 1] = source.shape;
  if (rows === undefined && rowOrder === undefined) return { a: [ofA], b: [ofB] };
  const expert = Math.floor((rows?.[0] ?? 0) / height);
  if (rows === undefined || rows[1] > (expert + 1) * height || expert >= experts) {
    throw cannotMove(plan, "rows of several experts are selected together");
  }
  return { a: [{ ...ofA, rows: [expert * source.rank, (expert + 1) * source.rank] }], b: [ofB] };
}

/**
 * The update of a planned weight, whose inputs are weights that have updates.
 * @throws ConversionError where the planned weight's update is no product of two factors
 */
export function movedUpdate(plan: WeightPlan, updates: ReadonlyMap<string, LoraUpdate>): LoraUpdate {
  const parts = plan.inputs.map((input) => partOf(input, plan, updates));
  const [first] = parts;
  if (first === undefined) throw cannotMove(plan, "it has no inputs");
  const { source, isTransposed } = first;
  const { rank, alpha } = source;
  for (const part of parts) {
    if (part.source.rank !== rank || part.source.alpha !== alpha) {
      throw cannotMove(plan, "its parts have updates of several ranks or scales");
    }
  }
  const [height = 1, width = 1] = plan.shape.slice(-2);
  const stack = plan.shape.slice(0, -2);
  const [out, into] = isTransposed ? [width, height] : [height, width];
  const isOneWeight = parts.every((part) => part.source === source);
  if (!isOneWeight && elementCount(stack) !== parts.length) {
    throw cannotMove(plan, "it joins weights whose updates have factors of their own");
  }
  const each = isOneWeight && stack.length === 0 ? [first] : parts;
  return {
    weight: plan.name,
    shape: plan.shape,
    a: { shape: [...stack, rank, into], inputs: each.flatMap(({ a }) => a) },
    b: { shape: [...stack, out, rank], inputs: parts.flatMap(({ b }) => b) },
    isTransposed,
    rank,
    alpha,
  };
}

/** @throws UnsupportedError for an adapter whose weights need factors of their own: GGUF holds one alpha for all */
export function commonAlpha(updates: readonly LoraUpdate[]): number {
  const [first] = updates;
  if (first === undefined) throw new FormatError("The adapter holds no update.");
  const other = updates.find(({ alpha }) => Math.fround(alpha) !== Math.fround(first.alpha));
  if (other !== undefined) {
    throw new UnsupportedError(
      `GGUF holds one alpha for the whole adapter, but ${first.weight} has ${first.alpha} and ${other.weight} has ${other.alpha}.`,
      { tensor: other.weight, hint: "Merge the adapter into its base model, and convert the merged model." },
    );
  }
  return first.alpha;
}
