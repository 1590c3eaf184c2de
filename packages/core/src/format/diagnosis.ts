/** Known faults that make two models differ: what they look like, and what a format needs to describe its own. */
import type { IntegerView } from "../view/integer-view.ts";

/** A tensor that differs between two models, and access to both sides' rows (small numbers of them at a time). */
export interface Suspect {
  readonly name: string;
  readonly rowCount: number;
  readonly rowLength: number;
  readonly relativeRmse: number;
  /** Numbers of attention heads that the models' facts name. */
  readonly headCounts: readonly number[];
  /** Rows `start` to `end` of the first model's tensor, row after row, in f32. */
  a(start: number, end: number): Promise<Float32Array>;
  /** The same rows of the second model's tensor. */
  b(start: number, end: number): Promise<Float32Array>;
  /** The same rows as integers, on the sides that store them so; undefined where they turn out to be none. */
  readonly views: {
    /** The rows of the first model as integers. */
    readonly a?: ((start: number, end: number) => Promise<IntegerView | undefined>) | undefined;
    /** The rows of the second model as integers. */
    readonly b?: ((start: number, end: number) => Promise<IntegerView | undefined>) | undefined;
  };
}

/** One known fault of a list. */
export interface Diagnosis {
  /** The code of the finding that reports this fault. */
  readonly code: string;
  /** What the fault is, one sentence that holds for every model. */
  readonly meaning: string;
  /** What to do about it, one sentence. */
  readonly hint: string;
  /** What to tell the user, one sentence; undefined where the fault does not explain the difference. */
  find(suspect: Suspect): Promise<string | undefined>;
}

/** When a fault counts as explained, and how much of a weight is examined for it. */
export const diagnosisLimits = {
  /** An explanation must take away three quarters of the error: rounding of a quantized side may stay. */
  explained: 0.25,
  /**
   * Where values are fitted, this much of the other side may be left: what 2-bit codes lose. Between unrelated weights nearly
   * all of it is left, however much less that is than their difference.
   */
  mostLeft: 0.5,
  /** Columns per group that are tried. */
  groupSizes: [128, 64, 32] as readonly number[],
  /** The most rows that are examined; one attention head always fits. */
  sampleRows: 256,
} as const;

/** RMSE over the first array's RMS. */
export function relativeRmse(expected: Float32Array, found: Float32Array): number {
  let [noise, signal] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    noise += (expected[i]! - found[i]!) ** 2;
    signal += expected[i]! ** 2;
  }
  return Math.sqrt(noise / signal);
}

/** The first rows of both sides. */
export async function sampleSuspect(
  suspect: Suspect,
): Promise<{ rows: number; a: Float32Array; b: Float32Array }> {
  const rows = Math.min(suspect.rowCount, diagnosisLimits.sampleRows);
  return { rows, a: await suspect.a(0, rows), b: await suspect.b(0, rows) };
}
