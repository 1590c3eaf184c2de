import type { Finding } from "@requant/core";
import type { LeftOut } from "@requant/models";
import type { ModelFile } from "../model/model.ts";
import { countFidelities, type Fidelity } from "./fidelity.ts";
import { type NonFinite, placeOf } from "./non-finite.ts";
import type { Plan, PlanTensor, Target } from "./plan.ts";

/** What `plan` and `convert` print as JSON. */
export interface PlanReport {
  readonly source: Plan["source"];
  readonly target: Target & { readonly files: readonly ModelFile[] };
  readonly tensors: readonly ReportTensor[];
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
  readonly byteLength: number;
  readonly fidelity: Readonly<Record<Fidelity, number>>;
  readonly seconds?: number | undefined;
}

/** One tensor of a report. */
export interface ReportTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: string;
  readonly to: string;
  readonly fidelity: Fidelity;
  readonly byteLength: number;
  /** Measured while encoding, for what is neither copy nor exact. */
  readonly rmse?: number | undefined;
  /** RMSE over the root mean square of the values before they were stored; left out where all of them are zero. */
  readonly relativeRmse?: number | undefined;
  readonly maxAbsError?: number | undefined;
  /**
   * Of a weight that was solved with calibration statistics: the root mean square of what changes in the output of the layer,
   * over that of the output; of up to 256 rows.
   */
  readonly outputError?: number | undefined;
  /** The same, had the weight been rounded. */
  readonly roundingOutputError?: number | undefined;
  /** Weights that are NaN or infinite in the source or in the output. Where an error is infinite, it is left out. */
  readonly nonFinite?: ReportNonFinite | undefined;
  /** Why it is neither copied nor exact, and what would be. */
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

/** A float as JSON has it: NaN and the infinities are words. */
export type ReportNumber = number | "NaN" | "Infinity" | "-Infinity";

/** Weights of a tensor that are not finite, as a report tells them. */
export interface ReportNonFinite {
  /** Weights that were not finite before they were stored. */
  readonly inSource: number;
  /** Weights that were finite until they were stored. */
  readonly byStoring: number;
  /** Flat index of the first of all of them, row by row. */
  readonly firstIndex: number;
  /** The same place by the shape: [row, column]. */
  readonly firstPlace: readonly number[];
  readonly firstValue: ReportNumber;
  /** What it is once it is stored. */
  readonly firstStored: ReportNumber;
}

export function reportNonFinite(found: NonFinite, shape: readonly number[]): ReportNonFinite | undefined {
  const { given, made } = found;
  const first = made === undefined || (given !== undefined && given.index < made.index) ? given : made;
  if (first === undefined) return undefined;
  return {
    inSource: given?.count ?? 0,
    byStoring: made?.count ?? 0,
    firstIndex: first.index,
    firstPlace: placeOf(shape, first.index),
    firstValue: reportNumber(first.value),
    firstStored: reportNumber(first.stored),
  };
}

function reportNumber(value: number): ReportNumber {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return value;
  return value > 0 ? "Infinity" : "-Infinity";
}

/** What a run adds to the lines of tensors; `index` is that of the tensor in the plan. */
type MeasuredErrors = (tensor: PlanTensor, index: number) => Partial<ReportTensor>;

/** A plan without the parts only `run` needs. */
export function planReport(plan: Plan): PlanReport {
  return reportWith(plan, () => ({}));
}

/** The same with what a run measured. */
export function reportWith(plan: Plan, errorsOf: MeasuredErrors): PlanReport {
  return {
    source: plan.source,
    target: { ...plan.target, files: plan.files.map(({ name, byteLength }) => ({ name, byteLength })) },
    tensors: plan.tensors.map((tensor, index) => {
      const { name, shape, from, to, fidelity, byteLength, reason, hint } = tensor;
      return {
        name,
        shape,
        from,
        to,
        fidelity,
        byteLength,
        ...(reason === undefined ? {} : { reason }),
        ...(hint === undefined ? {} : { hint }),
        ...errorsOf(tensor, index),
      };
    }),
    leftOut: plan.leftOut,
    findings: plan.findings,
    byteLength: plan.byteLength,
    fidelity: countFidelities(plan.tensors),
  };
}
