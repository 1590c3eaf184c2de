import { F32, FormatError, type Limits, type ReadStore, UsageError } from "@requant/core";
import type { InputStatistics } from "@requant/core/solve";
import { quoted } from "@requant/core/text";
import { openSafetensors, type Safetensors, type SafetensorsTensorInfo } from "@requant/safetensors";
import * as z from "zod/mini";
import type { StatisticsEntry } from "./entry.ts";
import { STATISTICS_FORMAT, STATISTICS_VERSION, type StatisticsMetadata } from "./write.ts";

/** Which file, and limits for hostile ones. */
export interface OpenStatisticsOptions {
  /** Default: the folder's only safetensors file, or its shards. */
  readonly file?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
}

/** Statistics that are read entry by entry. */
export interface StatisticsReader {
  /** In the order of the file. */
  readonly entries: readonly StatisticsEntry[];
  readonly metadata: StatisticsMetadata;
  /** All weights that have statistics: those of the entries, and those that share the input of one. */
  readonly names: readonly string[];
  /** The entry of a weight, its own or the one whose input it shares. */
  entryOf(name: string): StatisticsEntry | undefined;
  /** The statistics of a weight. @throws UsageError for a weight that has none */
  read(name: string, matrix?: number): Promise<InputStatistics>;
  /** Closes the file. */
  close(): Promise<void>;
}

/** Numbers that are read at a time. */
const CHUNK_LENGTH = 1 << 18;

const sharedSchema = z.record(z.string(), z.string());

/**
 * Opens a file of statistics (see `writeStatistics`); only its header is read.
 * @throws FormatError where it is not such a file, or its entries are not whole
 */
export async function openStatistics(
  store: ReadStore,
  options: OpenStatisticsOptions = {},
): Promise<StatisticsReader> {
  const file = await openSafetensors(store, options);
  try {
    return readerOf(file, options.file ?? store.name, await readEntries(file, options.file ?? store.name));
  } catch (error) {
    await file.close();
    throw error;
  }
}

function readerOf(file: Safetensors, path: string, entries: readonly StatisticsEntry[]): StatisticsReader {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const metadata = parseMetadata(file, path, byName);
  const entryOf = (name: string): StatisticsEntry | undefined => byName.get(metadata.shared[name] ?? name);
  return {
    entries,
    metadata,
    names: [...byName.keys(), ...Object.keys(metadata.shared)],
    entryOf,
    async read(name, matrix = 0) {
      const entry = entryOf(name);
      if (entry !== undefined) return entry.read(matrix);
      throw new UsageError("The calibration statistics have no entry for this weight.", {
        path,
        tensor: name,
        hint: "Make the statistics from the same model.",
      });
    },
    close: () => file.close(),
  };
}

function parseMetadata(
  { metadata }: Safetensors,
  path: string,
  entries: ReadonlyMap<string, StatisticsEntry>,
): StatisticsMetadata {
  const { format: _format, version: _version, shared: sharedText, windows, window, ...more } = metadata;
  const shared = parseShared(sharedText ?? "{}", path);
  for (const [name, owner] of Object.entries(shared)) {
    if (entries.has(name)) {
      throw new FormatError(`The weight shares the input of ${quoted(owner)}, and has an entry of its own.`, {
        path,
        tensor: name,
      });
    }
    if (entries.has(owner)) continue;
    throw new FormatError(`The weight shares the input of ${quoted(owner)}, which has no entry.`, {
      path,
      tensor: name,
    });
  }
  return { shared, windows: count(windows), window: count(window), more };
}

function count(text: string | undefined): number {
  const number = Number(text ?? 0);
  return Number.isSafeInteger(number) && number >= 0 ? number : 0;
}

function parseShared(text: string, path: string): Readonly<Record<string, string>> {
  try {
    const parsed = sharedSchema.safeParse(JSON.parse(text));
    if (parsed.success) return Object.assign(Object.create(null), parsed.data);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new FormatError('The metadata "shared" is not a JSON object of names.', { path });
}

async function readEntries(file: Safetensors, path: string): Promise<StatisticsEntry[]> {
  const { format, version } = file.metadata;
  if (format !== STATISTICS_FORMAT) {
    throw new FormatError("The file holds no calibration statistics.", {
      path,
      hint: "Give a file that Requant made from a calibration text, or the text itself.",
    });
  }
  if (version !== STATISTICS_VERSION) {
    throw new FormatError(
      `The statistics have version ${quoted(version ?? "none")}; ${STATISTICS_VERSION} is read.`,
      {
        path,
      },
    );
  }
  const tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const entries: StatisticsEntry[] = [];
  for (const moments of file.tensors) {
    if (!moments.name.endsWith(".moments")) continue;
    const name = moments.name.slice(0, -".moments".length);
    entries.push(await readEntry(file, path, name, { moments, tensors }));
  }
  return entries;
}

interface Tensors {
  readonly moments: SafetensorsTensorInfo;
  readonly tensors: ReadonlyMap<string, SafetensorsTensorInfo>;
}

async function readEntry(
  file: Safetensors,
  path: string,
  name: string,
  { moments, tensors }: Tensors,
): Promise<StatisticsEntry> {
  const columns = moments.shape.at(-1) ?? 0;
  const stack = moments.shape.slice(0, -2);
  const expected = (part: string, shape: readonly number[], encoding: string): SafetensorsTensorInfo => {
    const tensor = tensors.get(`${name}.${part}`);
    const found = tensor === undefined ? "missing" : `${tensor.encoding} [${tensor.shape.join(", ")}]`;
    const wanted = `${encoding} [${shape.join(", ")}]`;
    if (tensor !== undefined && found === wanted) return tensor;
    throw new FormatError(`The statistics' ${quoted(part)} is ${found}; ${wanted} is expected.`, {
      path,
      tensor: name,
    });
  };
  if (moments.shape.length < 2 || stack.length > 1 || columns === 0) {
    throw new FormatError(
      `The moments have the shape [${moments.shape.join(", ")}]; [columns, columns] is expected.`,
      {
        path,
        tensor: name,
      },
    );
  }
  expected("moments", [...stack, columns, columns], "F32");
  const meanAbs = expected("mean_abs", [...stack, columns], "F32");
  const counts = expected("tokens", [stack[0] ?? 1], "I64");
  const tokens = readTokens(await file.read(counts, 0, counts.byteLength), path, name);
  const length = columns * columns;
  const checked = (matrix: number): number => {
    if (Number.isInteger(matrix) && matrix >= 0 && matrix < tokens.length) return matrix;
    throw new UsageError(`The statistics have ${tokens.length} matrices, and none has number ${matrix}.`, {
      tensor: name,
    });
  };
  const readMeanAbs = (matrix = 0): Promise<Float32Array> =>
    readFloats(file, meanAbs, checked(matrix) * columns, columns);
  return {
    name,
    columns,
    experts: stack[0],
    tokens,
    readMeanAbs,
    async readMeanSquares(matrix = 0) {
      const all = await readFloats(file, moments, checked(matrix) * length, length);
      return Float32Array.from({ length: columns }, (_, column) => all[column * (columns + 1)] ?? 0);
    },
    async read(matrix = 0) {
      return {
        columns,
        tokens: tokens[checked(matrix)] ?? 0,
        moments: await readFloats(file, moments, matrix * length, length),
        meanAbs: await readMeanAbs(matrix),
      };
    },
  };
}

function readTokens(bytes: Uint8Array, path: string, name: string): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, index) => {
    const tokens = view.getBigInt64(8 * index, true);
    if (tokens >= 0n && tokens <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(tokens);
    throw new FormatError(`The statistics count ${tokens} tokens.`, { path, tensor: name });
  });
}

async function readFloats(
  file: Safetensors,
  tensor: SafetensorsTensorInfo,
  start: number,
  length: number,
): Promise<Float32Array> {
  const values = new Float32Array(length);
  for (let at = 0; at < length; at += CHUNK_LENGTH) {
    const end = Math.min(length, at + CHUNK_LENGTH);
    F32.dequantize(await file.read(tensor, 4 * (start + at), 4 * (start + end)), values.subarray(at, end));
  }
  return values;
}
