import {
  CodecError,
  ConversionError,
  elementCount,
  type Finding,
  rowLength as rowLengthOf,
  UsageError,
} from "@requant/core";
import type { Diagnosis, Suspect } from "@requant/core/format";
import type { IntegerView } from "@requant/core/view";
import {
  isRowSelection,
  openWeight,
  plannedSources,
  type WeightPlan,
  type WeightReader,
} from "@requant/models";
import type { Model } from "../model/model.ts";
import { refuseUnclaimed } from "../model/packed-sources.ts";
import { integerRows } from "../model/view-rows.ts";
import { type WeightMemory, weightMemory } from "../model/weight-bands.ts";
import { weightSource } from "../model/weight-source.ts";
import { sourceEncodings } from "../run/weights.ts";
import { comparesInHalf, compareValues } from "./compare-values.ts";
import { diagnose, diagnosed, diagnoses, transposed } from "./diagnoses.ts";
import { canonicalPlans, ggufPlans, ownPlans } from "./naming.ts";

/** How `verifyModels` compares. */
export interface VerifyOptions {
  /** Largest relative RMSE (RMSE over the first model's RMS) of a tensor that still counts as the same. Default 0: equal. */
  readonly tolerance?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What is tried on tensors that differ. */
  readonly diagnoses?: readonly Diagnosis[] | undefined;
  /** Called after each tensor, with its name, the values that were compared and those of all tensors. */
  readonly onProgress?: ((tensor: string, done: number, total: number) => void) | undefined;
}

/** What the comparison of one tensor found. */
export interface VerifiedTensor {
  /** Where the models' names differ, the GGUF's. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Encoding in the first and in the second model. */
  readonly from: string;
  readonly to: string;
  readonly equal: boolean;
  /** Equal, or within the tolerance. */
  readonly ok: boolean;
  readonly maxAbsError: number;
  readonly rmse: number;
  readonly relativeRmse: number;
  /** dB; Infinity when equal. */
  readonly sqnr: number;
  /** Index in row-major order. */
  readonly firstDifference?: number | undefined;
  readonly differences: number;
  /** Set where both formats compute in f16 and one rounds its values itself: so is the other's side. */
  readonly comparedIn?: "f16" | undefined;
  /** No value of the first model is NaN or infinite. */
  readonly finite: boolean;
  /** What is wrong, where it can be told. */
  readonly diagnosis?: Finding | undefined;
}

/** The comparison of two models, tensor by tensor. */
export interface VerifyReport {
  readonly a: { readonly name: string; readonly format: string; readonly variant: string };
  readonly b: { readonly name: string; readonly format: string; readonly variant: string };
  readonly equal: boolean;
  /** Every tensor is in both, with one shape, equal or within the tolerance. */
  readonly ok: boolean;
  readonly tolerance: number;
  readonly tensors: readonly VerifiedTensor[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  readonly shapesDiffer: readonly {
    readonly name: string;
    readonly a: readonly number[];
    readonly b: readonly number[];
    readonly diagnosis?: Finding | undefined;
  }[];
}

/**
 * Compares two models weight by weight in f32, whatever their formats and names. Streams: two bands at a time.
 * Tensors are matched by name; a GGUF and a Hugging Face model through the architecture's map, with its row orders.
 */
export async function verifyModels(a: Model, b: Model, options: VerifyOptions = {}): Promise<VerifyReport> {
  const tolerance = options.tolerance ?? 0;
  if (!(tolerance >= 0))
    throw new UsageError(`The tolerance is ${tolerance}, which is no number from 0 on.`, {
      hint: "Give a relative RMSE such as 0.01.",
    });
  refuseUnclaimed(a);
  refuseUnclaimed(b);
  const [plansA, plansB] = await matchingPlans(a, b);
  const inB = new Map(plansB.map((plan) => [plan.name, plan]));
  const inA = new Set(plansA.map(({ name }) => name));
  const tensors: VerifiedTensor[] = [];
  const shapesDiffer: VerifyReport["shapesDiffer"][number][] = [];
  const pairs = plansA.flatMap((planA) => {
    const planB = inB.get(planA.name);
    return planB === undefined ? [] : [{ planA, planB }];
  });
  const total = pairs.reduce((sum, { planA }) => sum + elementCount(planA.shape), 0);
  const comparable = pairs.filter(({ planA, planB }) => sameShape(planA.shape, planB.shape));
  const memory = [
    weightMemory(
      a,
      comparable.map(({ planA }) => planA),
    ),
    weightMemory(
      b,
      comparable.map(({ planB }) => planB),
    ),
  ] as const;
  let done = 0;
  try {
    for (const { planA, planB } of pairs) {
      if (sameShape(planA.shape, planB.shape)) {
        tensors.push(await verifyTensor(a, planA, b, planB, { ...options, tolerance, memory }));
      } else {
        shapesDiffer.push(differentShapes(planA, planB));
      }
      done += elementCount(planA.shape);
      options.onProgress?.(planA.name, done, total);
    }
  } finally {
    for (const each of memory) each.release();
  }
  const onlyInA = plansA.filter(({ name }) => !inB.has(name)).map(({ name }) => name);
  const onlyInB = plansB.filter(({ name }) => !inA.has(name)).map(({ name }) => name);
  const complete = onlyInA.length === 0 && onlyInB.length === 0 && shapesDiffer.length === 0;
  return {
    a: { name: a.name, format: a.format, variant: a.variant },
    b: { name: b.name, format: b.format, variant: b.variant },
    equal: complete && tensors.every(({ equal }) => equal),
    ok: complete && tensors.every(({ ok }) => ok),
    tolerance,
    tensors,
    onlyInA,
    onlyInB,
    shapesDiffer,
  };
}

function differentShapes(a: WeightPlan, b: WeightPlan): VerifyReport["shapesDiffer"][number] {
  const shapes = { name: a.name, a: a.shape, b: b.shape };
  if (!sameShape([...a.shape].reverse(), b.shape)) return shapes;
  const message = "Transposed: the second model's shape is the first one's, turned.";
  return { ...shapes, diagnosis: diagnosed(transposed, message, a.name) };
}

/** Both models' weights under the same names. */
async function matchingPlans(a: Model, b: Model): Promise<[readonly WeightPlan[], readonly WeightPlan[]]> {
  if (a.naming === b.naming) return [ownPlans(a), ownPlans(b)];
  try {
    return [
      a.naming === "gguf" ? ownPlans(a) : await ggufPlans(a),
      b.naming === "gguf" ? ownPlans(b) : await ggufPlans(b),
    ];
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    // the other way around: a vocabulary that no GGUF can hold does not matter to the weights
    const [planA, planB] = [await canonicalPlans(a), await canonicalPlans(b)];
    if (planA.naming !== planB.naming) throw error;
    return [planA.plans, planB.plans];
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const trim = (shape: readonly number[]): string =>
    shape.filter((size, index) => size !== 1 || index === shape.length - 1).join();
  return trim(a) === trim(b);
}

interface TensorOptions extends Pick<VerifyOptions, "diagnoses" | "signal"> {
  readonly tolerance: number;
  /** Of the first and of the second model. */
  readonly memory: readonly [WeightMemory, WeightMemory];
}

async function verifyTensor(
  a: Model,
  planA: WeightPlan,
  b: Model,
  planB: WeightPlan,
  options: TensorOptions,
): Promise<VerifiedTensor> {
  const { memory } = options;
  const halves = await comparesInHalf(a, planA, b, planB);
  const { equal, maxAbsError, rmse, relativeRmse, sqnr, firstDifference, differences, finite } =
    await compareValues(memory[0].open(planA), memory[1].open(planB), { halves, signal: options.signal });
  const ok = equal || relativeRmse <= options.tolerance;
  const diagnosis = ok
    ? undefined
    : await diagnose(
        {
          ...suspect(
            planA,
            openWeight(planA, weightSource(a)),
            openWeight(planB, weightSource(b)),
            relativeRmse,
            headCounts(a, b),
          ),
          views: { a: await viewReader(a, planA), b: await viewReader(b, planB) },
        },
        options.diagnoses ?? diagnoses,
      );
  return {
    name: planA.name,
    shape: planA.shape,
    from: encodingsText(sourceEncodings(a, planA)),
    to: encodingsText(sourceEncodings(b, planB)),
    equal,
    ok,
    maxAbsError,
    rmse,
    relativeRmse,
    sqnr,
    ...(firstDifference === undefined ? {} : { firstDifference }),
    differences,
    ...(halves ? { comparedIn: "f16" } : {}),
    finite,
    ...(diagnosis === undefined ? {} : { diagnosis }),
  };
}

/** As in plans: what no file stores is computed. */
function encodingsText(encodings: readonly string[]): string {
  return encodings.length === 0 ? "computed" : encodings.join("+");
}

function suspect(
  plan: WeightPlan,
  a: WeightReader,
  b: WeightReader,
  relativeRmse: number,
  heads: readonly number[],
): Omit<Suspect, "views"> {
  const length = rowLengthOf(plan.shape);
  const count = elementCount(plan.shape) / length;
  const rows =
    (reader: WeightReader) =>
    async (start: number, end: number): Promise<Float32Array> => {
      const values = new Float32Array((end - start) * length);
      await reader.readRows(start, end, values);
      return values;
    };
  return {
    name: plan.name,
    rowCount: count,
    rowLength: length,
    relativeRmse,
    headCounts: heads,
    a: rows(a),
    b: rows(b),
  };
}

/** Rows as integers, where the weight is one packed tensor of the model, and its codes are integers. */
async function viewReader(
  model: Model,
  plan: WeightPlan,
): Promise<((start: number, end: number) => Promise<IntegerView | undefined>) | undefined> {
  const [name, ...others] = plannedSources(plan);
  if (name === undefined || others.length > 0 || !isRowSelection(plan)) return undefined;
  const { packed } = model.weight(name);
  if (packed === undefined || !(await packed.use(0, ({ toView }) => toView !== undefined))) return undefined;
  const rows = integerRows(model, plan);
  return (start, end) => rows.read(start, end).catch(noIntegers);
}

/** Levels of a table, or offsets that are floats. */
function noIntegers(error: unknown): undefined {
  if (!(error instanceof ConversionError)) throw error;
  return undefined;
}

/** Numbers of attention heads that either model's facts name. */
function headCounts(...models: readonly Model[]): number[] {
  const counts = new Set<number>();
  for (const { gguf, hf, architecture } of models) {
    for (const key of ["head_count", "head_count_kv"]) {
      const value = gguf?.metadata.get(`${architecture}.attention.${key}`);
      if (value !== undefined && typeof value.value === "number") counts.add(value.value);
    }
    for (const key of ["num_attention_heads", "num_key_value_heads"]) {
      const value = hf?.config?.[key];
      if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) counts.add(value);
    }
  }
  return [...counts];
}
