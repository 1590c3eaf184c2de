/**
 * The files of a run in the parts that a server takes, called chunks here, because parts are those of a plan. Pure: the plan, the
 * band length and the chunk length alone decide them.
 *
 * A chunk belongs to the part that has the first job with bytes in it. Jobs do not end where chunks end, so a part also makes the
 * first jobs behind its own, as far as its last chunks reach; the next part makes these jobs again for its own chunks.
 */
import type { Piece, Work } from "../pieces.ts";
import type { PartNumber, PartWork } from "./part-work.ts";

/** A file that is sent in chunks. */
export interface ChunkedFile {
  readonly byteLength: number;
  /** Length of every chunk but the last. */
  readonly partByteLength: number;
}

const NO_JOB = -1;

export class Chunks {
  readonly count: number;
  private readonly files: readonly ChunkedFile[];
  /** Of each file, chunks in the files before it. */
  private readonly firstOf: readonly number[];
  /** Of each chunk, the first and the last job with bytes in it. */
  private readonly firstJob: Int32Array;
  private readonly lastJob: Int32Array;

  constructor({ jobs }: Work, files: readonly ChunkedFile[]) {
    this.files = files;
    let count = 0;
    this.firstOf = files.map((file) => {
      count += chunkCount(file);
      return count - chunkCount(file);
    });
    this.count = count;
    this.firstJob = new Int32Array(count).fill(NO_JOB);
    this.lastJob = new Int32Array(count).fill(NO_JOB);
    for (const [job, { pieces }] of jobs.entries()) {
      for (const piece of pieces) {
        for (const chunk of this.of(piece)) {
          if (this.firstJob[chunk] === NO_JOB) this.firstJob[chunk] = job;
          this.lastJob[chunk] = job;
        }
      }
    }
  }

  /** The number of a chunk among those of all files. */
  numberOf(file: number, index: number): number {
    return (this.firstOf[file] ?? 0) + index;
  }

  /** The numbers of the chunks that have bytes of a piece; for a piece without bytes, that of its place. */
  of({ file, byteOffset, byteLength }: Piece): number[] {
    const own = this.files[file];
    if (own === undefined) return [];
    const first = Math.min(Math.floor(byteOffset / own.partByteLength), chunkCount(own) - 1);
    const numbers = [this.numberOf(file, first)];
    for (let index = first + 1; index * own.partByteLength < byteOffset + byteLength; index++) {
      numbers.push(this.numberOf(file, index));
    }
    return numbers;
  }

  /** All chunks of a file: their places in it and their numbers. */
  ofFile(file: number): { readonly index: number; readonly number: number }[] {
    const own = this.files[file];
    const length = own === undefined ? 0 : chunkCount(own);
    return Array.from({ length }, (_, index) => ({ index, number: this.numberOf(file, index) }));
  }

  /** Undefined for a chunk that has bytes of a header or a side file alone: it belongs to no part. */
  firstJobOf(chunk: number): number | undefined {
    const job = this.firstJob[chunk] ?? NO_JOB;
    return job === NO_JOB ? undefined : job;
  }

  /** The chunks that belong to a part. */
  ownedBy(parts: PartWork, number: PartNumber): ReadonlySet<number> {
    const { start, end } = parts.jobsOf(number);
    const owned = new Set<number>();
    for (const [chunk, job] of this.firstJob.entries()) if (job >= start && job < end) owned.add(chunk);
    return owned;
  }

  /** What must be made for some chunks: the pieces that have bytes in them. */
  workFor(parts: PartWork, owned: ReadonlySet<number>): Work {
    let [start, end] = [parts.work.jobs.length, 0];
    for (const chunk of owned) {
      start = Math.min(start, this.firstJob[chunk] ?? start);
      end = Math.max(end, (this.lastJob[chunk] ?? 0) + 1);
    }
    const jobs = parts.work.jobs.slice(start, end).flatMap((job) => {
      const pieces = job.pieces.filter((piece) => this.of(piece).some((chunk) => owned.has(chunk)));
      return pieces.length === 0 ? [] : [{ ...job, pieces }];
    });
    return { ...parts.work, jobs, weightCount: jobs.length === 0 ? 0 : parts.weightsIn(start, end) };
  }

  /** Bytes of some chunks together. */
  byteLengthOf(chunks: ReadonlySet<number>): number {
    let sum = 0;
    for (const [file, { byteLength, partByteLength }] of this.files.entries()) {
      for (const { index, number } of this.ofFile(file)) {
        if (chunks.has(number)) sum += Math.min(partByteLength, byteLength - index * partByteLength);
      }
    }
    return sum;
  }
}

/** An empty file is one empty chunk. */
function chunkCount({ byteLength, partByteLength }: ChunkedFile): number {
  return Math.max(1, Math.ceil(byteLength / partByteLength));
}
