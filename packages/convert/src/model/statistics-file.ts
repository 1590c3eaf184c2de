/** Calibration statistics as plans and runs use them; the file itself is read by `@requant/calibrate`. */
import { openStatistics } from "@requant/calibrate";
import type { ReadStore } from "@requant/core";
import type { InputStatistics } from "@requant/core/solve";

/** Where the file is. */
export interface StatisticsLocation {
  readonly store: ReadStore;
  readonly file: string;
}

/** What the header of the file says about one weight. */
export interface StatisticsSize {
  readonly columns: number;
  /** Tokens behind the sums; of a stack, one number for each matrix. */
  readonly tokens: readonly number[];
}

/** The statistics of a model, as far as a plan needs them. */
export interface StatisticsIndex {
  /** By the name of a weight. */
  readonly entries: ReadonlyMap<string, StatisticsSize>;
  /** Of weights without an own entry: the weight that has the same inputs. */
  readonly shared: ReadonlyMap<string, string>;
  /** What the file states about the model that it was made of (`modelIdentity`). Absent: nothing is compared. */
  readonly origin?: Readonly<Record<string, string>> | undefined;
  /**
   * The statistics of one matrix, for targets that measure weights before they are planned: mixes of widths, and sizes that are asked
   * for. Absent: the weights are measured alone.
   * @param matrix of a stack, which one; else 0
   */
  read?(name: string, matrix: number): Promise<InputStatistics>;
}

/** An index whose statistics can be read. */
export interface StatisticsByMatrix extends StatisticsIndex {
  read(name: string, matrix: number): Promise<InputStatistics>;
}

/** An open file. */
export interface StatisticsFile extends StatisticsByMatrix {
  /** Mean of |x| of each column of the first matrix. */
  readMeanAbs(name: string): Promise<Float32Array>;
  /** Closes the file. */
  close(): Promise<void>;
}

/** Opens a file of calibration statistics. @throws FormatError for a file that holds something else, or statistics whose parts disagree */
export async function openStatisticsFile({ store, file }: StatisticsLocation): Promise<StatisticsFile> {
  const reader = await openStatistics(store, { file });
  const byName = new Map(reader.entries.map((entry) => [entry.name, entry]));
  return {
    entries: byName,
    shared: new Map(Object.entries(reader.metadata.shared)),
    origin: reader.metadata.more,
    read: (name, matrix) => reader.read(name, matrix),
    readMeanAbs: async (name) => (await byName.get(name)?.readMeanAbs()) ?? new Float32Array(0),
    close: () => reader.close(),
  };
}
