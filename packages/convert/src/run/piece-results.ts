/** What is known of the pieces of one file. */
import { hexOf } from "./checksum.ts";
import type { PieceResult } from "./pieces.ts";

/** The noise, the largest error and the signal. */
const SUMS = 3;
/** Of a checksum of 16 hex digits. */
const HALVES = 2;

/**
 * Results of pieces by their index, as numbers side by side: objects take seven times as much memory, and a model may have a
 * hundred thousand pieces. 33 bytes for each piece.
 */
export class PieceResults {
  private readonly isKnown: Uint8Array;
  private readonly sums: Float64Array;
  private readonly checksums: Uint32Array;
  /** What few pieces have. */
  private readonly others = new Map<number, Pick<PieceResult, "nonFinite" | "output">>();

  constructor(count: number) {
    this.isKnown = new Uint8Array(count);
    this.sums = new Float64Array(SUMS * count);
    this.checksums = new Uint32Array(HALVES * count);
  }

  set(index: number, { checksum, noise, maxAbsError, signal, nonFinite, output }: PieceResult): void {
    this.isKnown[index] = 1;
    this.sums.set([noise, maxAbsError, signal], SUMS * index);
    this.checksums[HALVES * index] = Number.parseInt(checksum.slice(0, 8), 16);
    this.checksums[HALVES * index + 1] = Number.parseInt(checksum.slice(8), 16);
    this.others.delete(index);
    if (nonFinite !== undefined || output !== undefined) this.others.set(index, { nonFinite, output });
  }

  has(index: number): boolean {
    return this.isKnown[index] === 1;
  }

  get(index: number): PieceResult | undefined {
    if (!this.has(index)) return undefined;
    const [noise = 0, maxAbsError = 0, signal = 0] = this.sums.subarray(SUMS * index, SUMS * (index + 1));
    const { nonFinite, output } = this.others.get(index) ?? {};
    return {
      checksum: hexOf(this.checksums[HALVES * index] ?? 0, this.checksums[HALVES * index + 1] ?? 0),
      noise,
      maxAbsError,
      signal,
      ...(nonFinite === undefined ? {} : { nonFinite }),
      ...(output === undefined ? {} : { output }),
    };
  }
}
