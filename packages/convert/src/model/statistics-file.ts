/**
 * Calibration statistics in a safetensors file: of each weight, by its name in a GGUF, `<name>.moments`, `<name>.mean_abs`
 * and `<name>.tokens`; of a stack of experts, one after the other. Weights that have the same inputs share an entry.
 */
import { F32, FormatError, type ReadStore } from "@requant/core";
import type { InputStatistics } from "@requant/core/solve";
import { quoted } from "@requant/core/text";
import { openSafetensors, type Safetensors, type SafetensorsTensorInfo } from "@requant/safetensors";
import * as z from "zod/mini";

/** Where the file is. */
export interface StatisticsLocation {
  readonly store: ReadStore;
  readonly file: string;
}

/** What the header of the file says about one weight. */
export interface StatisticsEntry {
  readonly columns: number;
  /** Tokens behind the sums; of a stack, one number for each matrix. */
  readonly tokens: readonly number[];
}

/** The statistics of a model, as far as a plan needs them. */
export interface StatisticsIndex {
  /** By the name of a weight. */
  readonly entries: ReadonlyMap<string, StatisticsEntry>;
  /** Of weights without an own entry: the weight that has the same inputs. */
  readonly shared: ReadonlyMap<string, string>;
}

/** An open file. */
export interface StatisticsFile extends StatisticsIndex {
  /** @param matrix of a stack, which one; else 0 */
  read(name: string, matrix: number): Promise<InputStatistics>;
  /** Mean of |x| of each column, matrix after matrix. */
  readMeanAbs(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

const FORMAT = "requant-statistics";
const VERSION = "1";

const sharedSchema = z.record(z.string(), z.string());

/** Opens a file of calibration statistics: its header, and the token counts. @throws FormatError for a file that holds something else, or statistics whose parts disagree */
export async function openStatistics({ store, file }: StatisticsLocation): Promise<StatisticsFile> {
  const set = await openSafetensors(store, { file });
  try {
    return await statisticsOf(set, `${store.name.replace(/\/$/, "")}/${file}`);
  } catch (error) {
    await set.close();
    throw error;
  }
}

async function statisticsOf(set: Safetensors, path: string): Promise<StatisticsFile> {
  refuseOther(set.metadata, path);
  const tensors = new Map(set.tensors.map((tensor) => [tensor.name, tensor]));
  const parts = new Map<string, EntryParts>();
  for (const { name } of set.tensors) {
    if (!name.endsWith(MOMENTS)) continue;
    const weight = name.slice(0, -MOMENTS.length);
    parts.set(weight, partsOf(tensors, weight, path));
  }
  if (parts.size === 0) throw new FormatError("The file has no calibration statistics.", { path });
  const entries = new Map<string, StatisticsEntry>();
  for (const [name, own] of parts) {
    const columns = own.moments.shape.at(-1) ?? 0;
    entries.set(name, { columns, tokens: await readCounts(set, own.tokens) });
  }
  const known = (name: string, matrix: number): { own: EntryParts; entry: StatisticsEntry } => {
    const [own, entry] = [parts.get(name), entries.get(name)];
    if (own !== undefined && entry !== undefined && matrix < entry.tokens.length) return { own, entry };
    throw new FormatError(`The statistics have no matrix ${matrix} of ${quoted(name)}.`, { path });
  };
  return {
    entries,
    shared: sharedOf(set.metadata["shared"], entries, path),
    async read(name, matrix) {
      const { own, entry } = known(name, matrix);
      const { columns, tokens } = entry;
      return {
        columns,
        tokens: tokens[matrix] ?? 0,
        moments: await readFloats(set, own.moments, matrix * columns * columns, columns * columns),
        meanAbs: await readFloats(set, own.meanAbs, matrix * columns, columns),
      };
    },
    async readMeanAbs(name) {
      const { own, entry } = known(name, 0);
      return readFloats(set, own.meanAbs, 0, entry.columns * entry.tokens.length);
    },
    close: () => set.close(),
  };
}

const MOMENTS = ".moments";

function refuseOther(metadata: Readonly<Record<string, string>>, path: string): void {
  const { format, version } = metadata;
  if (format !== FORMAT) {
    throw new FormatError("The file does not hold calibration statistics.", {
      path,
      hint: "Give a file that a calibration wrote.",
    });
  }
  if (version !== VERSION) {
    throw new FormatError(
      `The calibration statistics have version ${quoted(version ?? "")}; ${VERSION} is read.`,
      { path, hint: "Calibrate again, or use a newer version of this program." },
    );
  }
}

interface EntryParts {
  readonly moments: SafetensorsTensorInfo;
  readonly meanAbs: SafetensorsTensorInfo;
  readonly tokens: SafetensorsTensorInfo;
}

function partsOf(
  tensors: ReadonlyMap<string, SafetensorsTensorInfo>,
  weight: string,
  path: string,
): EntryParts {
  const part = (
    suffix: string,
    encoding: string,
    shape: (moments: readonly number[]) => readonly number[],
  ) => {
    const tensor = tensors.get(weight + suffix);
    const expected = shape(tensors.get(weight + MOMENTS)?.shape ?? []);
    if (tensor?.encoding === encoding && String(tensor.shape) === String(expected)) return tensor;
    const found =
      tensor === undefined ? "it is missing" : `it is ${tensor.encoding} [${tensor.shape.join(", ")}]`;
    throw new FormatError(
      `The part ${suffix.slice(1)} of the statistics of ${quoted(weight)} must be ${encoding} [${expected.join(", ")}], but ${found}.`,
      { path, hint: "Calibrate again." },
    );
  };
  const isStack = tensors.get(weight + MOMENTS)?.shape.length === 3;
  const columnsOf = (shape: readonly number[]): number => shape.at(-1) ?? 0;
  const stack = (shape: readonly number[]): readonly number[] => (isStack ? shape.slice(0, 1) : []);
  return {
    moments: part(MOMENTS, "F32", (shape) => [...stack(shape), columnsOf(shape), columnsOf(shape)]),
    meanAbs: part(".mean_abs", "F32", (shape) => [...stack(shape), columnsOf(shape)]),
    tokens: part(".tokens", "I64", (shape) => (isStack ? stack(shape) : [1])),
  };
}

function sharedOf(
  text: string | undefined,
  entries: ReadonlyMap<string, StatisticsEntry>,
  path: string,
): ReadonlyMap<string, string> {
  const parsed = sharedSchema.safeParse(text === undefined ? {} : jsonOf(text));
  if (!parsed.success) {
    throw new FormatError("The list `shared` of the calibration statistics is not a JSON object of names.", {
      path,
      hint: "Calibrate again.",
    });
  }
  const shared = new Map(Object.entries(parsed.data));
  for (const [name, owner] of shared) {
    if (entries.has(owner) && !entries.has(name)) continue;
    throw new FormatError(
      `The calibration statistics say that ${quoted(name)} shares the entry ${quoted(owner)}, ${entries.has(owner) ? "but it has one of its own" : "which is not there"}.`,
      { path, hint: "Calibrate again." },
    );
  }
  return shared;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readCounts(set: Safetensors, tensor: SafetensorsTensorInfo): Promise<number[]> {
  const bytes = await set.read(tensor, 0, tensor.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}

async function readFloats(
  set: Safetensors,
  tensor: SafetensorsTensorInfo,
  start: number,
  count: number,
): Promise<Float32Array> {
  const bytes = await set.read(tensor, 4 * start, 4 * (start + count));
  const floats = new Float32Array(count);
  F32.dequantize(bytes, floats);
  return floats;
}
