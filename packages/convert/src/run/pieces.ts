/** A run is cut into jobs and pieces. A worker makes one job at a time; the journal lists pieces. */

import { elementCount } from "@requant/core";
import type { FileLayout } from "../plan/files/layout.ts";
import { joinedNonFinite, type NonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { type Band, bandsOf, byteUnits } from "./bands.ts";
import type { Measured } from "./error-meter.ts";
import { isMeasured } from "./measured.ts";
import { addedErrors, type OutputErrorSums } from "./output-error.ts";
import { bandLayout } from "./weights.ts";
import { largestOf, noWork, type WorkSizes } from "./work-area.ts";

/** A range of an output file that holds one band of a tensor. The plan and the band length alone decide it. */
export interface Piece {
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
  readonly band: Band;
}

/** Pieces of one weight that one worker makes, one after the other. Nearly always a single one. */
export interface Job {
  /** Index of the weight in the plan. */
  readonly tensor: number;
  /** In the order of the file. */
  readonly pieces: readonly Piece[];
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
  /** f32 bytes of one band, by which the jobs were cut. */
  readonly bandByteLength: number;
}

/** Bytes of some pieces together. */
export function byteLengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Cuts the files of a plan. Pure: no model is read. */
export function cutIntoJobs(layouts: readonly FileLayout[], bandByteLength: number): Work {
  const jobs: Job[] = [];
  let sizes = noWork;
  let weightCount = 0;
  for (const [file, { tensors }] of layouts.entries()) {
    let index = 0;
    /** Pieces of weights that must be made in one job, by the index of the weight. */
    const together = new Map<number, Piece[]>();
    for (const placed of tensors) {
      const { index: tensor, weight, byteOffset, suffix: part } = placed;
      const cut = part === undefined ? bandLayout(weight) : byteUnits(placed.byteLength);
      const pieces: Piece[] = [];
      let most = 0;
      for (const band of bandsOf(cut, bandByteLength)) {
        const units = band.end - band.start;
        most = Math.max(most, units);
        pieces.push({
          index: index++,
          file,
          byteOffset: byteOffset + band.start * cut.unitByteLength,
          byteLength: units * cut.unitByteLength,
          ...(part === undefined ? {} : { part }),
          band,
        });
      }
      sizes = largestOf(sizes, cut.sizes(most));
      weightCount += part === undefined ? elementCount(weight.shape) : placed.byteLength;
      const own = together.get(tensor);
      if (own !== undefined) {
        const last = own.at(-1);
        // what follows a late piece is late too
        const isApart = last?.late === true || last?.index !== (pieces[0]?.index ?? 0) - 1;
        for (const piece of pieces) own.push(isApart ? { ...piece, late: true } : piece);
      }
      if (own !== undefined) continue;
      // all parts of a packed weight are made at once
      if ((part !== undefined || weight.whole === true) && pieces.length > 0) {
        together.set(tensor, pieces);
        jobs.push({ tensor, pieces });
      } else for (const piece of pieces) jobs.push({ tensor, pieces: [piece] });
    }
  }
  return { jobs, sizes, weightCount, bandByteLength };
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
