/** A run is cut into jobs and pieces. A worker makes one job at a time; the journal lists pieces. */

import { elementCount } from "@requant/core";
import type { FileLayout, PlacedTensor } from "../plan/files/layout.ts";
import { joinedNonFinite, type NonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { type Band, type BandLayout, bandsOf, byteUnits, rowUnits } from "./bands.ts";
import type { Measured } from "./error-meter.ts";
import { isMeasured } from "./measured.ts";
import { addedErrors, type OutputErrorSums } from "./output-error.ts";
import { nothingShared, type SharedReading } from "./sharing/shared-reading.ts";
import { type RowSet, rowSetOf } from "./ways/row-set.ts";
import { bandLayout } from "./weights.ts";
import { largestOf, noWork, type WorkSizes } from "./work-area.ts";

/** A range of an output file that holds one band of a tensor. The plan and the band length alone decide it. */
export interface Piece {
  /** Index of the weight in the plan. */
  readonly tensor: number;
  /** Place among the pieces of its file. */
  readonly index: number;
  /** Index of the file in the run. */
  readonly file: number;
  /** Position in the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Of a packed weight: which of its parts; the band is then of bytes. */
  readonly part?: string | undefined;
  /** The piece lies behind pieces of later jobs. Such pieces are small. */
  readonly late?: true | undefined;
  /** The set of weights with the same stored rows, by its number: the band is of rows, read once for all of them. */
  readonly set?: number | undefined;
  readonly band: Band;
}

/** Pieces that one worker makes, one after the other. Nearly always a single one. */
export interface Job {
  /** Of each weight in the order of the file. */
  readonly pieces: readonly Piece[];
  /** The packed weight of the source whose parts stay in memory until the job is done. */
  readonly holds?: string | undefined;
}

/** A piece that was delivered. */
export interface MadePiece {
  readonly piece: Piece;
  readonly result: PieceResult;
}

/** Jobs of which each can be sent on its own. */
const FEW_JOBS = 1000;

/** Pieces and bytes of small jobs that are done together: less than a band. */
const PIECES_TOGETHER = 16;
const BYTES_TOGETHER = 128 * 1024;

/**
 * The same pieces in the same order, in fewer jobs where there are many: small ones that follow each other are done together,
 * because each job costs messages and a line in a journal.
 */
export function* joinedJobs(jobs: readonly Job[]): Generator<Job> {
  let together: Piece[] = [];
  let byteLength = 0;
  for (const job of jobs) {
    const [piece, ...others] = job.pieces;
    const isSmall =
      piece !== undefined &&
      others.length === 0 &&
      piece.part === undefined &&
      piece.set === undefined &&
      piece.byteLength <= BYTES_TOGETHER / 2;
    const fits =
      isSmall && together.length < PIECES_TOGETHER && byteLength + piece.byteLength <= BYTES_TOGETHER;
    if (together.length > 0 && !fits) {
      yield { pieces: together };
      together = [];
      byteLength = 0;
    }
    if (isSmall && jobs.length > FEW_JOBS) {
      together.push(piece);
      byteLength += piece.byteLength;
    } else yield job;
  }
  if (together.length > 0) yield { pieces: together };
}

/** The weights that a job is about, by their index in the plan, out of those of the run. */
export function tensorsOf(
  { pieces }: Job,
  tensors: ReadonlyMap<number, PlanTensor>,
  sets: Work["sets"],
): ReadonlyMap<number, PlanTensor> {
  const found = new Map<number, PlanTensor>();
  for (const { tensor, set } of pieces) {
    for (const index of set === undefined ? [tensor] : (sets[set] ?? [])) {
      const task = tensors.get(index);
      if (task !== undefined) found.set(index, task);
    }
  }
  return found;
}

/** The checksum and the measured errors of a piece. */
export interface PieceResult extends Measured {
  readonly checksum: string;
}

export interface Work {
  /** In the order of the files and of what is in them. */
  readonly jobs: readonly Job[];
  /** Memory for the largest piece. */
  readonly sizes: WorkSizes;
  readonly weightCount: number;
  /** The weights of each set, by their index in the plan. */
  readonly sets: readonly (readonly number[])[];
  /** f32 bytes of one band, by which the jobs were cut. */
  readonly bandByteLength: number;
}

/** Bytes of some pieces together. */
export function byteLengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Cuts the files of a plan. Pure: no model is read. */
export function cutIntoJobs(
  layouts: readonly FileLayout[],
  bandByteLength: number,
  sharing: SharedReading = nothingShared,
): Work {
  const cutOf = cutPlan(layouts, sharing);
  const jobs: OpenJob[] = [];
  /** Jobs that later pieces join, by what they have in common. */
  const open = new Map<string, OpenJob>();
  /** The last piece of each weight. */
  const lastOf = new Map<number, Piece>();
  let sizes = noWork;
  let weightCount = 0;
  for (const [file, { tensors }] of layouts.entries()) {
    let index = 0;
    for (const placed of tensors) {
      const { index: tensor, weight, byteOffset, suffix: part } = placed;
      const { cut, set, jobOf, holds } = cutOf(placed);
      const before = jobOf(0) === undefined ? undefined : lastOf.get(tensor);
      // parts that lie apart from the first ones, and what follows them
      const isLate = before !== undefined && (before.late === true || before.index !== index - 1);
      let most = 0;
      let count = 0;
      for (const band of bandsOf(cut, bandByteLength)) {
        const units = band.end - band.start;
        most = Math.max(most, units);
        const plain: Piece = {
          tensor,
          index: index++,
          file,
          byteOffset: byteOffset + band.start * cut.unitByteLength,
          byteLength: units * cut.unitByteLength,
          band,
        };
        // most are plain, and take less memory so
        const piece: Piece =
          part === undefined && !isLate && set === undefined
            ? plain
            : {
                ...plain,
                ...(part === undefined ? {} : { part }),
                ...(isLate ? { late: true } : {}),
                ...(set === undefined ? {} : { set }),
              };
        lastOf.set(tensor, piece);
        const key = jobOf(count++);
        const known = key === undefined ? undefined : open.get(key);
        if (known !== undefined) known.pieces.push(piece);
        else {
          const job: OpenJob = { pieces: [piece], ...(holds === undefined ? {} : { holds }) };
          jobs.push(job);
          if (key !== undefined) open.set(key, job);
        }
      }
      sizes = largestOf(sizes, cut.sizes(most));
      weightCount += part === undefined ? elementCount(weight.shape) : placed.byteLength;
    }
  }
  return { jobs, sizes, weightCount, bandByteLength, sets: sharing.sets };
}

/** A job that may get more pieces. */
type OpenJob = Job & { readonly pieces: Piece[] };

/** How one tensor of a file is cut. */
interface Cut {
  readonly cut: BandLayout;
  readonly set: number | undefined;
  /** What the job of a band has in common with the pieces that join it; undefined where each band is a job of its own. */
  jobOf(band: number): string | undefined;
  readonly holds: string | undefined;
}

/** How the tensors of the files are cut, and which of them are made in one job. */
function cutPlan(
  layouts: readonly FileLayout[],
  { sets, held }: SharedReading,
): (placed: PlacedTensor) => Cut {
  const weights = new Map(
    layouts.flatMap(({ tensors }) => tensors.map(({ index, weight }) => [index, weight])),
  );
  const setOf = groupByTensor(sets.entries());
  const holderOf = groupByTensor(held);
  const rowSets = sets.map((set) => rowSetOf(set.flatMap((tensor) => weights.get(tensor) ?? [])));
  return (placed) => {
    const { index: tensor, weight, suffix: part } = placed;
    const [set, holds] = [setOf.get(tensor), holderOf.get(tensor)];
    const rows = set === undefined ? undefined : rowSets[set];
    const cut = layoutOf(placed, rows);
    // all parts of a packed weight are made at once
    const isWhole = part !== undefined || (rows?.tasks ?? [weight]).some(({ whole }) => whole === true);
    const jobOf = (band: number): string | undefined => {
      if (holds !== undefined) return `held ${holds}`;
      if (set !== undefined) return isWhole ? `set ${set}` : `set ${set} ${band}`;
      return isWhole ? `tensor ${tensor}` : undefined;
    };
    return { cut, set, jobOf, holds };
  };
}

/** The group that each weight belongs to. */
function groupByTensor<K>(groups: Iterable<readonly [K, readonly number[]]>): ReadonlyMap<number, K> {
  const groupOf = new Map<number, K>();
  for (const [key, group] of groups) for (const tensor of group) groupOf.set(tensor, key);
  return groupOf;
}

/** @param rows the set that the weight belongs to */
function layoutOf({ weight, suffix, byteLength }: PlacedTensor, rows: RowSet | undefined): BandLayout {
  if (suffix !== undefined) return byteUnits(byteLength);
  if (rows === undefined) return bandLayout(weight);
  return { ...rowUnits(weight, rows.rows), sizes: rows.sizes };
}

/** What the pieces of a tensor together say about its error. */
export interface TensorResult {
  /** Set where values change and every error is finite; `nonFinite` tells of the others. */
  readonly rmse?: number;
  /** Left out where all values were zero. */
  readonly relativeRmse?: number;
  readonly maxAbsError?: number;
  /** Of a solved weight: what changes in the output of the layer, relative to the output. */
  readonly outputError?: number;
  /** What plain rounding would change. */
  readonly roundingOutputError?: number;
  readonly nonFinite?: NonFinite;
}

/** Undefined where there is nothing to say. */
export function resultOf(tensor: PlanTensor, results: readonly PieceResult[]): TensorResult | undefined {
  let noise = 0;
  let signal = 0;
  let maxAbsError = 0;
  let nonFinite: NonFinite | undefined;
  let output: OutputErrorSums | undefined;
  for (const result of results) {
    noise += result.noise;
    signal += result.signal;
    maxAbsError = Math.max(maxAbsError, result.maxAbsError);
    nonFinite = joinedNonFinite(nonFinite, result.nonFinite);
    output = addedErrors(output, result.output);
  }
  const count = elementCount(tensor.shape);
  const rmse = count === 0 ? 0 : Math.sqrt(noise / count);
  const isTold = isMeasured(tensor) && maxAbsError < Number.POSITIVE_INFINITY;
  if (!isTold && nonFinite === undefined) return undefined;
  const relative =
    noise === 0 ? { relativeRmse: 0 } : signal > 0 ? { relativeRmse: Math.sqrt(noise / signal) } : {};
  return {
    ...(isTold ? { rmse, ...relative, maxAbsError } : {}),
    ...(output === undefined || !(output.signal > 0)
      ? {}
      : {
          outputError: Math.sqrt(output.error / output.signal),
          roundingOutputError: Math.sqrt(output.rounding / output.signal),
        }),
    ...(nonFinite === undefined ? {} : { nonFinite }),
  };
}
