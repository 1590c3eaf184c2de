/** Where the parts of a plan go. */
import type { Work } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import type { PartOptions } from "./open-work.ts";
import type { PartNumber } from "./part-work.ts";

/** What became of a part. */
export interface PartResult {
  /** "made": this call has made pieces; "whole": an earlier one had made them all; "published": the output is finished. */
  readonly state: "made" | "whole" | "published";
  readonly pieceCount: number;
  /** Pieces that this call has made. */
  readonly madeCount: number;
  /** Of the part's share of the output. */
  readonly byteLength: number;
}

export interface PartsPlace {
  /** The most parts that have something to do each. */
  readonly mostParts: number;
  run(number: PartNumber, options: PartOptions): Promise<PartResult>;
  /** Undefined where the output was finished before. */
  finish(options: PartOptions): Promise<RunState | undefined>;
}

export function published(counts: Omit<PartResult, "state" | "madeCount">): PartResult {
  return { state: "published", ...counts, madeCount: 0 };
}

export function made(counts: Omit<PartResult, "state">): PartResult {
  return { state: counts.madeCount > 0 ? "made" : "whole", ...counts };
}

export function pieceCountOf({ jobs }: Work): number {
  return jobs.reduce((sum, { pieces }) => sum + pieces.length, 0);
}
