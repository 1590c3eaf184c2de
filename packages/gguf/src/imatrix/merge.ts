/** Several importance matrices of one model as one: each token has the same weight. */
import { UsageError } from "@requant/core";
import type { Imatrix, ImatrixEntry } from "./imatrix.ts";

/** Tokens of a chunk where a .dat file does not say it: llama-imatrix's own default. */
const CHUNK_SIZE = 512;

/**
 * Sums of all matrices, as llama-imatrix merges them. A .dat file has no token counts: a chunk of it counts `chunkSize` tokens.
 * @throws UsageError where they are not of the same model
 */
export function mergeImatrices(matrices: readonly Imatrix[], chunkSize: number = CHUNK_SIZE): Imatrix {
  const entries = new Map<string, ImatrixEntry>();
  for (const matrix of matrices) {
    // sums of a .dat file are per call
    const scale = matrix.form === "dat" ? chunkSize : 1;
    for (const [name, { sums, counts, inputSums }] of matrix.entries) {
      const known = entries.get(name);
      if (known !== undefined && known.sums.length !== sums.length) {
        throw new UsageError(
          `These importance matrices are not of the same model: one has ${known.sums.length} columns, another ${sums.length}.`,
          { tensor: name },
        );
      }
      entries.set(
        name,
        added(known, {
          sums: sums.map((sum) => sum * scale),
          counts: countsFor(known, counts).map((count) => count * scale),
          ...(inputSums === undefined ? {} : { inputSums }),
        }),
      );
    }
  }
  return {
    form: "gguf",
    entries,
    datasets: matrices.flatMap(({ datasets }) => datasets),
    chunkCount: matrices.reduce((sum, { chunkCount }) => sum + chunkCount, 0),
    chunkSize: matrices.find((matrix) => matrix.chunkSize > 0)?.chunkSize ?? chunkSize,
  };
}

/** A .dat file has one count for all experts. */
function countsFor(known: ImatrixEntry | undefined, counts: readonly number[]): readonly number[] {
  const [only] = counts;
  if (known === undefined || counts.length !== 1 || only === undefined) return counts;
  return known.counts.map(() => only);
}

function added(known: ImatrixEntry | undefined, more: ImatrixEntry): ImatrixEntry {
  if (known === undefined) return more;
  const sum = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + (b[i] ?? 0));
  const counts = countsFor(more, known.counts);
  return {
    sums: sum(known.sums, more.sums),
    counts: counts.map((count, matrix) => count + (more.counts[matrix] ?? 0)),
    // sums of inputs are only right where all matrices have them
    ...(known.inputSums === undefined || more.inputSums === undefined
      ? {}
      : { inputSums: sum(known.inputSums, more.inputSums) }),
  };
}
