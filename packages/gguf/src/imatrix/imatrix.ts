import { F32, FormatError } from "@requant/core";

/** The entry of an importance matrix for one weight. */
export interface ImatrixEntry {
  /** Sums of squared inputs, matrix after matrix; in the .dat form scaled by calls instead of tokens. */
  readonly sums: Float32Array;
  /** Tokens (.dat: calls) behind the sums, one per matrix. */
  readonly counts: readonly number[];
  /** Sums of inputs, where the file has them. */
  readonly inputSums?: Float32Array;
  /** Statistics of llama-imatrix, in the order of `statsSchema`; kept for writing. */
  readonly stats?: Float32Array;
}

/** The two file forms of importance matrices. */
export type ImatrixForm = "gguf" | "dat";

/** An importance matrix. */
export interface Imatrix {
  readonly form: ImatrixForm;
  /** By the name of the weight. */
  readonly entries: ReadonlyMap<string, ImatrixEntry>;
  readonly datasets: readonly string[];
  /** 0 where the file does not state it. */
  readonly chunkCount: number;
  /** Tokens per chunk; 0 in the .dat form, which does not state it. */
  readonly chunkSize: number;
  readonly statsSchema?: readonly string[];
}

export type NamedEntries = readonly (readonly [name: string, entry: ImatrixEntry])[];

/** Mean squares, matrix after matrix; ones for an expert that saw no token. */
export function meanSquares({ sums, counts }: ImatrixEntry, form: ImatrixForm): Float32Array {
  const columns = sums.length / counts.length;
  const means = new Float32Array(sums.length);
  for (const [matrix, count] of counts.entries()) {
    const start = matrix * columns;
    for (let i = start; i < start + columns; i++) {
      if (count > 0) means[i] = (sums[i] ?? 0) / Math.fround(count);
      // a .dat file without calls holds the means themselves
      else means[i] = form === "dat" ? (sums[i] ?? 0) : 1;
    }
  }
  return means;
}

/** @throws FormatError for a value that is not finite. */
export function finite(floats: Float32Array, name: string, path: string): Float32Array {
  const bad = floats.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return floats;
  throw new FormatError(`Value ${bad} of ${name} is ${floats[bad]}.`, {
    path,
    tensor: name,
    hint: "Compute the importance matrix again.",
  });
}

export function floatBytes(floats: Float32Array): Uint8Array {
  const bytes = new Uint8Array(floats.byteLength);
  F32.quantize?.(floats, floats.length, bytes);
  return bytes;
}
