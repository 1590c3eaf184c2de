/** The jobs of a plan in parts that different machines can do. Pure: the plan and the band length alone decide a part. */
import { elementCount, UsageError } from "@requant/core";
import type { PlanTensor } from "../../plan/plan.ts";
import type { Job, Piece, Work } from "../pieces.ts";

/** Part `part` of `count`, from 1 on. */
export interface PartNumber {
  readonly part: number;
  readonly count: number;
}

/** More parts than jobs are of no use, and the numbers stay exact. */
const MOST_PARTS = 10_000_000;

/** Refuses a part that there is not. @throws UsageError */
export function refusePart({ part, count }: PartNumber): void {
  if (Number.isInteger(count) && count >= 1 && count <= MOST_PARTS) {
    if (Number.isInteger(part) && part >= 1 && part <= count) return;
    throw new UsageError(`There is no part ${part} of ${count}.`, { hint: `Parts go from 1 to ${count}.` });
  }
  throw new UsageError(`A plan cannot be cut into ${count} parts.`, {
    hint: `Give a number from 1 to ${MOST_PARTS}.`,
  });
}

/** All jobs of a run, and how they fall into any number of parts. */
export class PartWork {
  readonly work: Work;
  /** Weights in all jobs before each one, and in all. */
  private readonly before: Float64Array;
  /** Of each file, pieces in the files before it. */
  private readonly firstPiece: readonly number[];

  constructor(work: Work, tensors: readonly PlanTensor[], fileCount: number) {
    this.work = work;
    this.before = new Float64Array(work.jobs.length + 1);
    const counts = Array.from({ length: fileCount }, () => 0);
    for (const [index, job] of work.jobs.entries()) {
      this.before[index + 1] = (this.before[index] ?? 0) + weightsOf(job, tensors);
      for (const { file } of job.pieces) counts[file] = (counts[file] ?? 0) + 1;
    }
    let first = 0;
    this.firstPiece = counts.map((count) => {
      first += count;
      return first - count;
    });
  }

  /** The number of a piece among those of all files. */
  numberOf(piece: Piece): number {
    return (this.firstPiece[piece.file] ?? 0) + piece.index;
  }

  /** The part that a job belongs to: where its first weight lies among all weights. */
  partOf(job: number, count: number): number {
    const total = this.before[this.work.jobs.length] ?? 0;
    if (total === 0) return 1;
    return Math.min(count, Math.floor(((this.before[job] ?? 0) / total) * count) + 1);
  }

  /** The jobs of a part, which follow each other. A part may be empty. */
  workOf(number: PartNumber): Work {
    const { start, end } = this.jobsOf(number);
    return { ...this.work, jobs: this.work.jobs.slice(start, end), weightCount: this.weightsIn(start, end) };
  }

  /** The range of the jobs of a part. */
  jobsOf({ part, count }: PartNumber): { readonly start: number; readonly end: number } {
    return { start: this.firstJobOf(part, count), end: this.firstJobOf(part + 1, count) };
  }

  /** Weights in a range of jobs. */
  weightsIn(start: number, end: number): number {
    return (this.before[end] ?? 0) - (this.before[start] ?? 0);
  }

  /** The first job that belongs to a part or a later one. */
  private firstJobOf(part: number, count: number): number {
    let low = 0;
    let high = this.work.jobs.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.partOf(middle, count) < part) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Weights that a job makes: of each tensor its share, by bytes. */
function weightsOf({ pieces }: Job, tensors: readonly PlanTensor[]): number {
  let sum = 0;
  for (const { tensor: index, byteLength } of pieces) {
    const tensor = tensors[index];
    if (tensor === undefined || tensor.byteLength === 0) continue;
    sum += elementCount(tensor.shape) * (byteLength / tensor.byteLength);
  }
  return sum;
}
