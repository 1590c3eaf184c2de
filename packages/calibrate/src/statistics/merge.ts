import { UsageError } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { StatisticsEntry } from "./entry.ts";
import type { StatisticsReader } from "./read.ts";
import type { StatisticsMetadata } from "./write.ts";

/**
 * Several statistics of one model as one: those of its layers, or those of several texts, each token with the same weight. Nothing
 * is read before an entry is.
 * @throws UsageError where they are not of the same model
 */
export function mergeStatistics(readers: readonly Pick<StatisticsReader, "entries" | "metadata">[]): {
  readonly entries: readonly StatisticsEntry[];
  readonly metadata: StatisticsMetadata;
} {
  const groups = new Map<string, StatisticsEntry[]>();
  const shared: Record<string, string> = Object.create(null);
  for (const reader of readers) {
    for (const entry of reader.entries) {
      const group = groups.get(entry.name);
      if (group === undefined) groups.set(entry.name, [entry]);
      else group.push(entry);
    }
    for (const [name, owner] of Object.entries(reader.metadata.shared)) {
      if ((shared[name] ?? owner) !== owner) {
        throw notTheSame(
          name,
          `it shares the input of ${quoted(owner)} in one, of ${quoted(shared[name] ?? "")} in another`,
        );
      }
      shared[name] = owner;
    }
  }
  for (const name of groups.keys()) {
    if (shared[name] !== undefined)
      throw notTheSame(name, "it has an entry in one, and shares another's in another");
  }
  const all = readers.map(({ metadata }) => metadata);
  const { window = 0, more = {} } = all[0] ?? {};
  // the parts of one run have the same windows, and no entry in common
  const overlaps = [...groups.values()].some((group) => group.length > 1);
  const windows = all.map((metadata) => metadata.windows);
  return {
    entries: [...groups.values()].map((group) => mergeEntries(group)),
    metadata: {
      shared,
      window: all.every((metadata) => metadata.window === window) ? window : 0,
      windows: overlaps ? windows.reduce((sum, count) => sum + count, 0) : (windows[0] ?? 0),
      // what the others do not say, the sum of all cannot say either
      more: Object.fromEntries(
        Object.entries(more).filter(([key, value]) =>
          all.every((metadata) => metadata.more?.[key] === value),
        ),
      ),
    },
  };
}

function notTheSame(tensor: string, reason: string): UsageError {
  return new UsageError(`These statistics are not of the same model: ${reason}.`, { tensor });
}

function sizeOf({ columns, experts }: Pick<StatisticsEntry, "columns" | "experts">): string {
  return experts === undefined ? `${columns} columns` : `${columns} columns for each of ${experts} experts`;
}

function mergeEntries(group: readonly StatisticsEntry[]): StatisticsEntry {
  const [first, ...others] = group;
  if (first === undefined) throw new UsageError("There are no statistics to merge.");
  if (others.length === 0) return first;
  for (const { columns, experts } of others) {
    if (columns === first.columns && experts === first.experts) continue;
    const [one, another] = [sizeOf(first), sizeOf({ columns, experts })];
    throw notTheSame(first.name, `its input has ${one} in one, ${another} in another`);
  }
  const { name, columns, experts } = first;
  const tokens = first.tokens.map((_, matrix) =>
    group.reduce((sum, entry) => sum + (entry.tokens[matrix] ?? 0), 0),
  );
  const mean = async (
    matrix: number,
    length: number,
    read: (entry: StatisticsEntry) => Promise<Float32Array>,
  ): Promise<Float32Array> => {
    const sums = new Float64Array(length);
    for (const entry of group) {
      const share = (entry.tokens[matrix] ?? 0) / Math.max(1, tokens[matrix] ?? 0);
      if (share === 0) continue;
      const values = await read(entry);
      for (let i = 0; i < length; i++) sums[i]! += share * values[i]!;
    }
    return Float32Array.from(sums);
  };
  const readMeanAbs = (matrix = 0): Promise<Float32Array> =>
    mean(matrix, columns, (entry) => entry.readMeanAbs(matrix));
  return {
    name,
    columns,
    experts,
    tokens,
    readMeanAbs,
    readMeanSquares: (matrix = 0) => mean(matrix, columns, (entry) => entry.readMeanSquares(matrix)),
    async read(matrix = 0) {
      const moments = await mean(
        matrix,
        columns * columns,
        async (entry) => (await entry.read(matrix)).moments,
      );
      return { columns, tokens: tokens[matrix] ?? 0, moments, meanAbs: await readMeanAbs(matrix) };
    },
  };
}
