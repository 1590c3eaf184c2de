import { rowLength, UsageError } from "@requant/core";
import { addToGroup } from "../model/add-to-group.ts";
import type { Model } from "../model/model.ts";
import type { StatisticsLocation } from "../model/statistics-file.ts";
import { movedNonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { MakeBand } from "./bands.ts";
import { checksum } from "./checksum-twin.ts";
import type { Comparison } from "./comparison.ts";
import type { ErrorMeter, Measured } from "./error-meter.ts";
import { errorMeter } from "./error-meter-twin.ts";
import { type ColumnImportance, GuideCache } from "./guides.ts";
import { blockSizeOf } from "./measured.ts";
import type { Job, Piece, PieceResult, Work } from "./pieces.ts";
import { checksumsOf, type ReadBack } from "./read-back.ts";
import { type MakeRows, rowsMaker } from "./ways/make-rows.ts";
import { rowSetOf } from "./ways/row-set.ts";
import { bandMaker } from "./weights.ts";
import { WorkArea, type WorkSizes } from "./work-area.ts";

/** Weights by their index in the plan. */
type Tensors = ReadonlyMap<number, PlanTensor>;

/** Takes the bytes of a piece, which are valid until the promise resolves. */
export type Deliver = (piece: Piece, bytes: Uint8Array) => Promise<void>;

export interface PieceMakerOptions {
  /** A packed weight of the source with the most bytes: memory is taken for its parts. */
  readonly largestPacked: string | undefined;
  /** Columns of the importance matrix by the entry that a tensor names. */
  readonly importance: ReadonlyMap<string, ColumnImportance>;
  readonly statistics: StatisticsLocation | undefined;
  readonly sizes: WorkSizes;
  /** Weights with the same stored rows, by their index in the plan. */
  readonly sets: Work["sets"];
  /** f32 bytes of one band, where a weight is read in bands only to be made whole. */
  readonly bandByteLength: number;
  /** Jobs at the same time: while one computes, another waits for its disk. */
  readonly slots: number;
}

/** Delivers a piece and keeps its checksum and measured errors. */
type DeliverPiece = (piece: Piece, bytes: Uint8Array, sums: Measured) => Promise<void>;

const noError: Measured = { noise: 0, maxAbsError: 0, signal: 0 };

/** Makers kept for tensors that several jobs are about. */
const KEPT_MAKERS = 8;

/** Makes pieces in this thread. */
export class PieceMaker {
  private readonly areas: WorkArea[];
  private readonly waiting: ((area: WorkArea) => void)[] = [];
  private readonly bandMakers = new Map<number, MakeBand>();
  private readonly rowMakers = new Map<number, MakeRows>();
  private readonly model: Model;
  private readonly options: PieceMakerOptions;
  private readonly guides: GuideCache;
  private readonly giveBackWeights: () => void;

  constructor(model: Model, options: PieceMakerOptions) {
    this.model = model;
    this.options = options;
    this.areas = Array.from({ length: options.slots }, () => new WorkArea(options.sizes));
    this.guides = new GuideCache(options.importance, options.statistics, model.folding?.folded);
    this.giveBackWeights = model.reserve(options.largestPacked === undefined ? [] : [options.largestPacked]);
  }

  /** `tensors`: those that the job is about, at least. */
  async make(job: Job, tensors: Tensors, deliver: Deliver, signal?: AbortSignal): Promise<PieceResult[]> {
    const area = await this.takeArea();
    const release = job.holds === undefined ? undefined : this.model.weight(job.holds).packed?.hold();
    const results = new Map<Piece, PieceResult>();
    const deliverPiece: DeliverPiece = async (piece, bytes, sums) => {
      signal?.throwIfAborted();
      const sum = checksum(bytes);
      await deliver(piece, bytes);
      results.set(piece, { checksum: sum, ...sums });
    };
    try {
      for (const pieces of madeTogether(job.pieces)) {
        await this.makePieces(pieces, tensors, area, deliverPiece, signal);
      }
      return job.pieces.flatMap((piece) => results.get(piece) ?? []);
    } finally {
      release?.();
      this.giveBack(area);
    }
  }

  private async makePieces(
    pieces: readonly Piece[],
    tensors: Tensors,
    area: WorkArea,
    deliver: DeliverPiece,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const [first] = pieces;
    if (first === undefined) return;
    const tensor = tensorOf(first, tensors);
    if (first.set !== undefined) await this.makeRows(pieces, tensors, first.set, area, deliver);
    else if (tensor.linear === undefined) await this.makeBands(pieces, tensor, area, deliver);
    else await this.makeParts(pieces, tensor, area, deliver, signal);
  }

  private async makeBands(
    pieces: readonly Piece[],
    tensor: PlanTensor,
    area: WorkArea,
    deliver: DeliverPiece,
  ): Promise<void> {
    const index = pieces[0]?.tensor ?? 0;
    const make = this.kept(this.bandMakers, index, tensor.whole === true, () =>
      bandMaker(this.model, tensor, this.guides.of(tensor)),
    );
    for (const piece of pieces) {
      const meter = errorMeter(blockSizeOf(tensor));
      const bytes = await make(piece.band, area, meter);
      await deliver(piece, bytes, sumsIn(meter, piece, tensor));
    }
  }

  /** Weights of a set, band by band: rows are read once, and all weights are encoded before the first is delivered. */
  private async makeRows(
    pieces: readonly Piece[],
    tensors: Tensors,
    set: number,
    area: WorkArea,
    deliver: DeliverPiece,
  ): Promise<void> {
    const indices = this.options.sets[set] ?? [];
    const tasks = indices.flatMap((index) => tensors.get(index) ?? []);
    const isWhole = tasks.some(({ whole }) => whole === true);
    const make = this.kept(this.rowMakers, set, isWhole, () =>
      rowsMaker(this.model, rowSetOf(tasks), (task) => this.guides.of(task)),
    );
    const bands = new Map<number, Piece[]>();
    for (const piece of pieces) addToGroup(bands, piece.band.start, piece);
    for (const together of bands.values()) {
      const [first] = together;
      if (first === undefined) continue;
      const wanted = together.map((piece) => {
        const tensor = tensorOf(piece, tensors);
        const member = indices.indexOf(piece.tensor);
        return { piece, tensor, member, meter: errorMeter(blockSizeOf(tensor)) };
      });
      const made = await make(first.band, area, wanted);
      for (const { piece, tensor, member, meter } of wanted) {
        await deliver(piece, made(member), sumsIn(meter, piece, tensor));
      }
    }
  }

  /** A packed weight is made as a whole, then its parts are delivered one by one. */
  private async makeParts(
    pieces: readonly Piece[],
    tensor: PlanTensor,
    area: WorkArea,
    deliver: DeliverPiece,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { bandByteLength } = this.options;
    const options = { bandByteLength, signal };
    const guide = this.guides.of(tensor);
    // with all that packed formats need, which a thread that makes no packed weight never loads
    const { packedWeight } = await import("./pack-weight.ts");
    const { bytes: parts, measured, output } = await packedWeight(this.model, tensor, options, guide);
    const sums = {
      ...(measured === undefined ? noError : sumsOf(measured)),
      ...(output === undefined ? {} : { output }),
    };
    for (const piece of pieces) {
      const { start, end } = piece.band;
      area.bytes("out", 0, end - start).set(parts[piece.part ?? ""]?.subarray(start, end) ?? []);
      // the error of the whole weight is reported once, with its first part
      const isFirst = piece.part === tensor.linear?.parts[0]?.suffix && start === 0;
      await deliver(piece, area.bytes("out", 0, end - start), isFirst ? sums : noError);
    }
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

  /** A maker for the jobs about one weight or set; one that holds a whole weight is for one job. */
  private kept<T>(makers: Map<number, T>, key: number, isWhole: boolean, create: () => T): T {
    const known = makers.get(key);
    if (known !== undefined) return known;
    const maker = create();
    if (isWhole) return maker;
    for (const old of makers.keys()) {
      if (makers.size < KEPT_MAKERS) break;
      makers.delete(old);
    }
    makers.set(key, maker);
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

function tensorOf({ tensor: index }: Piece, tensors: Tensors): PlanTensor {
  const tensor = tensors.get(index);
  if (tensor === undefined) throw new UsageError(`There is no tensor ${index} in the plan.`);
  return tensor;
}

/** Pieces of a job that one maker makes: those of one weight, or of the weights of a set. */
function madeTogether(pieces: readonly Piece[]): Iterable<readonly Piece[]> {
  const groups = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const { tensor, set } = piece;
    addToGroup(groups, set === undefined ? `tensor ${tensor}` : `set ${set}`, piece);
  }
  return groups.values();
}

/** What the meter saw of a piece; places of weights that are not finite are those in the whole weight. */
function sumsIn(meter: ErrorMeter, { band }: Piece, { shape }: PlanTensor): Measured {
  const { nonFinite, ...sums } = meter.sums();
  if (nonFinite === undefined) return sums;
  return { ...sums, nonFinite: movedNonFinite(nonFinite, band.start * rowLength(shape)) };
}

/** Sums that lead to the same figures. Without any difference the values before do not matter. */
function sumsOf({ rmse, count, relativeRmse, maxAbsError }: Comparison): Measured {
  const noise = rmse ** 2 * count;
  return { noise, maxAbsError, signal: relativeRmse > 0 ? noise / relativeRmse ** 2 : 0 };
}
