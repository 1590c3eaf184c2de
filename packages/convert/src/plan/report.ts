import type { LeftOut } from "@requant/models";
import type { ModelFile } from "../model/model.ts";
import { countFidelities, type Fidelity } from "./fidelity.ts";
import type { Plan, Target } from "./plan.ts";

/** What `plan` and `convert` print as JSON. */
export interface PlanReport {
  readonly source: Plan["source"];
  readonly target: Target & { readonly files: readonly ModelFile[] };
  readonly tensors: readonly ReportTensor[];
  readonly leftOut: readonly LeftOut[];
  readonly notes: readonly string[];
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
  readonly maxAbsError?: number | undefined;
  /** Why it is neither copied nor exact, and what would be. */
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

/** A plan without the parts only `run` needs. */
export function planReport(plan: Plan): PlanReport {
  return {
    source: plan.source,
    target: { ...plan.target, files: plan.files.map(({ name, byteLength }) => ({ name, byteLength })) },
    tensors: plan.tensors.map(({ name, shape, from, to, fidelity, byteLength, reason, hint }) => ({
      name,
      shape,
      from,
      to,
      fidelity,
      byteLength,
      ...(reason === undefined ? {} : { reason }),
      ...(hint === undefined ? {} : { hint }),
    })),
    leftOut: plan.leftOut,
    notes: plan.notes,
    byteLength: plan.byteLength,
    fidelity: countFidelities(plan.tensors),
  };
}
