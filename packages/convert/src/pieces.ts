/** A run cut into pieces: what is made at one go, by whoever is free, and what the journal counts in. */
import type { Model } from "./model.ts";
import type { FileLayout } from "./output/layout.ts";
import type { PlanTensor } from "./plan.ts";
import { type Band, bandMaker, bandsOf, isMeasured, type WeightTask } from "./weights.ts";
import { largestOf, noWork, type WorkSizes } from "./work-area.ts";

/** A stretch of an output file that is one band of a tensor. The same for a plan and a band length, whoever makes it. */
export interface Piece {
  /** Place among the pieces of its file. */
  readonly index: number;
  /** Of the run. */
  readonly file: number;
  /** In the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly band: Band;
}

/** Pieces of one tensor that one worker makes, one after the other. Nearly always a single one. */
export interface Job {
  /** Index of the tensor in the plan. */
  readonly tensor: number;
  readonly pieces: readonly Piece[];
}

/** What is known of a piece that was made. */
export interface PieceResult {
  readonly checksum: string;
  readonly noise: number;
  readonly maxAbsError: number;
}

export interface Work {
  /** In the order of the files and of the tensors in them. */
  readonly jobs: readonly Job[];
  /** Memory for the largest piece. */
  readonly sizes: WorkSizes;
  readonly weightCount: number;
}

export function cutIntoJobs(model: Model, layouts: readonly FileLayout[], bandByteLength: number): Work {
  const jobs: Job[] = [];
  let sizes = noWork;
  let weightCount = 0;
  for (const [file, layout] of layouts.entries()) {
    let index = 0;
    for (const { index: tensorIndex, tensor, byteOffset } of layout.tensors) {
      const maker = bandMaker(model, tensor);
      const { unitByteLength } = maker;
      const pieces: Piece[] = [];
      let most = 0;
      for (const band of bandsOf(maker, bandByteLength)) {
        const units = band.end - band.start;
        most = Math.max(most, units);
        pieces.push({
          index: index++,
          file,
          byteOffset: byteOffset + band.start * unitByteLength,
          byteLength: units * unitByteLength,
          band,
        });
      }
      sizes = largestOf(sizes, maker.sizes(most));
      weightCount += tensor.shape.reduce((product, size) => product * size, 1);
      if (maker.whole && pieces.length > 0) jobs.push({ tensor: tensorIndex, pieces });
      else jobs.push(...pieces.map((piece) => ({ tensor: tensorIndex, pieces: [piece] })));
    }
  }
  return { jobs, sizes, weightCount };
}

/** What a tensor's pieces say about its error; undefined where nothing was measured. */
export function errorOf(
  tensor: PlanTensor & WeightTask,
  results: readonly PieceResult[],
): { readonly rmse: number; readonly maxAbsError: number } | undefined {
  if (!isMeasured(tensor)) return undefined;
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const noise = results.reduce((sum, result) => sum + result.noise, 0);
  return {
    rmse: count === 0 ? 0 : Math.sqrt(noise / count),
    maxAbsError: results.reduce((most, result) => Math.max(most, result.maxAbsError), 0),
  };
}
