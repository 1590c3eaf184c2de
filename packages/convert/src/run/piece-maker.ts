import { rowLength, UsageError } from "@requant/core";
import { plannedSources } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { StatisticsLocation } from "../model/statistics-file.ts";
import { movedNonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { MakeBand } from "./bands.ts";
import { checksum } from "./checksum-twin.ts";
import type { Comparison } from "./comparison.ts";
import type { Measured } from "./error-meter.ts";
import { errorMeter } from "./error-meter-twin.ts";
import { type ColumnImportance, GuideCache } from "./guides.ts";
import { blockSizeOf } from "./measured.ts";
import { packedWeight } from "./pack-weight.ts";
import type { Job, Piece, PieceResult } from "./pieces.ts";
import { checksumsOf, type ReadBack } from "./read-back.ts";
import { bandMaker } from "./weights.ts";
import { WorkArea, type WorkSizes } from "./work-area.ts";

/** Takes the bytes of a piece, which are valid until the promise resolves. */
export type Deliver = (piece: Piece, bytes: Uint8Array) => Promise<void>;

export interface PieceMakerOptions {
  /** By their index in the plan. */
  readonly tensors: ReadonlyMap<number, PlanTensor>;
  /** Columns of the importance matrix by the entry that a tensor names. */
  readonly importance: ReadonlyMap<string, ColumnImportance>;
  readonly statistics: StatisticsLocation | undefined;
  readonly sizes: WorkSizes;
  /** f32 bytes of one band, where a weight is read in bands only to be made whole. */
  readonly bandByteLength: number;
  /** Jobs at the same time: while one computes, another waits for its disk. */
  readonly slots: number;
}

/** Delivers a piece and returns its checksum and measured errors. */
type DeliverPiece = (piece: Piece, bytes: Uint8Array, sums: Measured) => Promise<PieceResult>;

const noError: Measured = { noise: 0, maxAbsError: 0, signal: 0 };

/** Makers kept for tensors that several jobs are about. */
const KEPT_MAKERS = 8;

/** Makes pieces in this thread. */
export class PieceMaker {
  private readonly areas: WorkArea[];
  private readonly waiting: ((area: WorkArea) => void)[] = [];
  private readonly makers = new Map<number, MakeBand>();
  private readonly model: Model;
  private readonly options: PieceMakerOptions;
  private readonly guides: GuideCache;
  private readonly giveBackWeights: () => void;

  constructor(model: Model, options: PieceMakerOptions) {
    this.model = model;
    this.options = options;
    this.areas = Array.from({ length: options.slots }, () => new WorkArea(options.sizes));
    this.guides = new GuideCache(options.importance, options.statistics, model.folding?.folded);
    this.giveBackWeights = model.reserve(new Set([...options.tensors.values()].flatMap(plannedSources)));
  }

  async make(job: Job, deliver: Deliver, signal?: AbortSignal): Promise<PieceResult[]> {
    const tensor = this.options.tensors.get(job.tensor);
    if (tensor === undefined) throw new UsageError(`There is no tensor ${job.tensor} in the plan.`);
    const area = await this.takeArea();
    try {
      const deliverPiece: DeliverPiece = async (piece, bytes, sums) => {
        signal?.throwIfAborted();
        const sum = checksum(bytes);
        await deliver(piece, bytes);
        return { checksum: sum, ...sums };
      };
      return tensor.linear === undefined
        ? await this.makeBands(job, tensor, area, deliverPiece)
        : await this.makeParts(job, tensor, area, deliverPiece, signal);
    } finally {
      this.giveBack(area);
    }
  }

  private async makeBands(
    job: Job,
    tensor: PlanTensor,
    area: WorkArea,
    deliver: DeliverPiece,
  ): Promise<PieceResult[]> {
    const make = this.makerOf(job.tensor, tensor);
    const results: PieceResult[] = [];
    for (const piece of job.pieces) {
      const meter = errorMeter(blockSizeOf(tensor));
      const bytes = await make(piece.band, area, meter);
      const { nonFinite, ...sums } = meter.sums();
      const first = piece.band.start * rowLength(tensor.shape);
      results.push(
        await deliver(piece, bytes, {
          ...sums,
          ...(nonFinite === undefined ? {} : { nonFinite: movedNonFinite(nonFinite, first) }),
        }),
      );
    }
    return results;
  }

  /** A packed weight is made as a whole, then its parts are delivered one by one. */
  private async makeParts(
    job: Job,
    tensor: PlanTensor,
    area: WorkArea,
    deliver: DeliverPiece,
    signal: AbortSignal | undefined,
  ): Promise<PieceResult[]> {
    const { bandByteLength } = this.options;
    const options = { bandByteLength, signal };
    const guide = this.guides.of(tensor);
    const { bytes: parts, measured, output } = await packedWeight(this.model, tensor, options, guide);
    const sums = {
      ...(measured === undefined ? noError : sumsOf(measured)),
      ...(output === undefined ? {} : { output }),
    };
    const results: PieceResult[] = [];
    for (const piece of job.pieces) {
      const { start, end } = piece.band;
      area.bytes("out", 0, end - start).set(parts[piece.part ?? ""]?.subarray(start, end) ?? []);
      // the error of the whole weight is reported once, with its first part
      const isFirst = piece.part === tensor.linear?.parts[0]?.suffix && start === 0;
      results.push(await deliver(piece, area.bytes("out", 0, end - start), isFirst ? sums : noError));
    }
    return results;
  }

  /** Checksums of the bytes that the output has at the places of the pieces. */
  async read(pieces: readonly Piece[], readBack: ReadBack, signal?: AbortSignal): Promise<string[]> {
    const area = await this.takeArea();
    try {
      return await checksumsOf(pieces, readBack, area, signal);
    } finally {
      this.giveBack(area);
    }
  }

  /** Gives the memory back. All jobs must be done. */
  async close(): Promise<void> {
    for (const area of this.areas) area.release();
    this.giveBackWeights();
    await this.guides.close();
  }

  private makerOf(index: number, tensor: PlanTensor): MakeBand {
    const known = this.makers.get(index);
    if (known !== undefined) return known;
    const maker = bandMaker(this.model, tensor, this.guides.of(tensor));
    // one that holds a whole tensor is for one job
    if (tensor.whole) return maker;
    for (const old of this.makers.keys()) {
      if (this.makers.size < KEPT_MAKERS) break;
      this.makers.delete(old);
    }
    this.makers.set(index, maker);
    return maker;
  }

  private takeArea(): Promise<WorkArea> {
    const area = this.areas.pop();
    return area === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(area);
  }

  private giveBack(area: WorkArea): void {
    const next = this.waiting.shift();
    if (next === undefined) this.areas.push(area);
    else next(area);
  }
}

/** Sums that lead to the same figures. Without any difference the values before do not matter. */
function sumsOf({ rmse, count, relativeRmse, maxAbsError }: Comparison): Measured {
  const noise = rmse ** 2 * count;
  return { noise, maxAbsError, signal: relativeRmse > 0 ? noise / relativeRmse ** 2 : 0 };
}
