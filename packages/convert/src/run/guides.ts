/** What guides the codes of the weights of a run: importance of columns, or statistics with which a weight is solved. */
import { UsageError } from "@requant/core";
import { actOrderFactor, type InputStatistics, type SolveFactor } from "@requant/core/solve";
import { parseEntry } from "../model/guide-entry.ts";
import { recentlyUsed } from "../model/recently-used.ts";
import {
  openStatisticsFile,
  type StatisticsFile,
  type StatisticsLocation,
} from "../model/statistics-file.ts";
import { usableImportance } from "../model/usable-importance.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { guideNames } from "../plan/way.ts";

/** Importance of each column: one list for every matrix of a stack, or one list for all of them. */
export type ColumnImportance = Float32Array;

/** What is known of the inputs of one matrix. Importance is left out where nothing is known of any column. */
export interface MatrixGuide {
  readonly importance?: Float32Array | undefined;
  readonly solve?: MatrixSolver | undefined;
}

/** Set for a matrix that is solved, not rounded. */
export interface MatrixSolver {
  readonly statistics: InputStatistics;
  readonly factor: SolveFactor;
}

/** Guides the rows of one weight. */
export interface WeightGuide {
  /** @param matrix of a stack, which one; else 0 */
  at(matrix: number): Promise<MatrixGuide>;
}

/** The guides of a run, in one thread. */
export class GuideCache {
  private readonly importance: ReadonlyMap<string, ColumnImportance>;
  private readonly open: (() => Promise<StatisticsFile>) | undefined;
  private opened: Promise<StatisticsFile> | undefined;
  private readonly entries = new Map<string, Promise<InputStatistics>>();

  constructor(importance: ReadonlyMap<string, ColumnImportance>, statistics: StatisticsLocation | undefined) {
    this.importance = importance;
    this.open = statistics === undefined ? undefined : () => openStatisticsFile(statistics);
  }

  /** Undefined for a weight that nothing guides. */
  of(tensor: PlanTensor): WeightGuide | undefined {
    const { importance, statistics } = guideNames(tensor);
    const columns = tensor.shape.at(-1) ?? 0;
    const own = importance === undefined ? undefined : this.importance.get(importance);
    if (own !== undefined) return { at: async (matrix) => ({ importance: columnsOf(own, columns, matrix) }) };
    const text = statistics ?? importance;
    if (text === undefined) return undefined;
    const isSolved = statistics !== undefined;
    return { at: (matrix) => this.read(text, matrix, isSolved) };
  }

  async close(): Promise<void> {
    const file = await this.opened?.catch(() => undefined);
    await file?.close();
  }

  private async read(text: string, ofStack: number, isSolved: boolean): Promise<MatrixGuide> {
    const { name, matrix = ofStack } = parseEntry(text);
    const statistics = await recentlyUsed(this.entries, `${matrix} ${name}`, async () =>
      (await this.file()).read(name, matrix),
    );
    const importance = usableImportance(statistics);
    if (!isSolved) return { importance };
    const factor = actOrderFactor(statistics);
    // an expert that no token reached
    return factor === undefined ? {} : { importance, solve: { statistics, factor } };
  }

  private file(): Promise<StatisticsFile> {
    if (this.open === undefined) {
      throw new UsageError("The plan solves weights with calibration statistics that the run was not given.");
    }
    this.opened ??= this.open();
    return this.opened;
  }
}

/** Of one list for all matrices, that list; of a list for each, the one of this matrix. */
function columnsOf(all: ColumnImportance, columns: number, matrix: number): Float32Array {
  return all.length === columns ? all : all.subarray(matrix * columns, (matrix + 1) * columns);
}
