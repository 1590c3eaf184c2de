import {
  type ByteSource,
  FormatError,
  IoError,
  LimitError,
  type Limits,
  limitsWith,
  type Metadata,
  type ReadStore,
  UsageError,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import { SPLIT_KEYS } from "./constants.ts";
import type { GgufFile } from "./header.ts";
import { type GgufReads, type GgufTensorInfo, readsOf } from "./part-reads.ts";
import { type ReadGgufOptions, readGguf } from "./reader.ts";
import { isSplitKey, parseSplitName, splitName } from "./split-plan.ts";

export type { GgufReads, GgufTensorInfo };

/** Parts opened at the same time: hides a network's latency without a burst of connections. */
const CONCURRENT_OPENS = 8;

/** One file of a GGUF model. */
export interface GgufPart extends GgufFile {
  /** Path or URL: the name of its source. */
  readonly name: string;
}

/** A GGUF model in one file or several. */
export interface Gguf extends GgufReads {
  readonly parts: readonly GgufPart[];
  /** Of the first part, without the split keys where there are several parts. */
  readonly metadata: Metadata;
  /** Of all parts, in order. */
  readonly tensors: readonly GgufTensorInfo[];
}

/**
 * Opens a model whose files are already open: one, or all parts of a split in any order. Closing the result closes these
 * files; when this function throws, they stay open.
 * @throws FormatError when the parts do not belong together; LimitError, UnsupportedError, IoError
 */
export async function openGguf(
  sources: ByteSource | readonly ByteSource[],
  options: ReadGgufOptions = {},
): Promise<Gguf> {
  const list = "readInto" in sources ? [sources] : sources;
  if (list.length === 0) throw new UsageError("A GGUF model needs at least one file.");
  return joinParts(await inBatches(list, (source) => openPart(source, options)));
}

/**
 * Opens a model by the name of its file, or of any part of a split (`NAME-00001-of-00003.gguf`).
 * @throws IoError when a file is missing; otherwise as `openGguf`
 */
export async function openGgufFile(
  store: ReadStore,
  fileName: string,
  options: ReadGgufOptions = {},
): Promise<Gguf> {
  const limits = limitsWith(options.limits);
  const sources: ByteSource[] = [];
  const open = async (name: string, hint?: string): Promise<OpenPart> => {
    const source = await store.open(name);
    if (source === undefined) {
      throw new IoError(`The file ${quoted(name)} is missing.`, {
        path: `${store.name}/${name}`,
        hint,
        reason: "missing-shard",
      });
    }
    sources.push(source);
    return openPart(source, options);
  };
  try {
    const named = await open(fileName);
    const path = named.source.name;
    const count = splitCount(named.file.metadata, path);
    if (count <= 1) return joinParts([named]);
    checkPartCount(count, limits, path);
    const missing = `All ${count} parts must be in the same folder.`;
    const others = otherPartNames(fileName, count, path);
    return joinParts([named, ...(await inBatches(others, (name) => open(name, missing)))]);
  } catch (error) {
    await Promise.allSettled(sources.map((source) => source.close()));
    throw error;
  }
}

/** The names of the other parts. */
function otherPartNames(fileName: string, count: number, path: string): string[] {
  const part = parseSplitName(fileName);
  if (part === undefined) {
    throw new FormatError(`The file is one of ${count} parts, but its name does not say which.`, {
      path,
      hint: `Name the parts ${splitName("NAME", 0, count)} and so on.`,
    });
  }
  if (part.count !== count) {
    throw new FormatError(
      `${SPLIT_KEYS.count} is ${count}, but the file name says that there are ${part.count} parts.`,
      { path },
    );
  }
  const names = Array.from({ length: count }, (_, index) => splitName(part.prefix, index, count));
  return names.filter((name) => name !== fileName);
}

/** Results in order. When an item fails, the items that have begun are awaited, so that no file stays open. */
async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += CONCURRENT_OPENS) {
    const settled = await Promise.allSettled(items.slice(start, start + CONCURRENT_OPENS).map(work));
    for (const result of settled) {
      if (result.status === "rejected") throw result.reason;
      results.push(result.value);
    }
  }
  return results;
}

async function openPart(source: ByteSource, options: ReadGgufOptions): Promise<OpenPart> {
  return { source, file: await readGguf(source, options) };
}

function joinParts(opened: readonly OpenPart[]): Gguf {
  const parts = orderParts(opened);
  const metadata: Metadata = parts[0]?.file.metadata ?? new Map();
  let tensors = parts.length === 1 ? undefined : joinTensors(parts);
  return {
    parts: parts.map(({ source, file }) => ({ name: source.name, ...file })),
    metadata: parts.length === 1 ? metadata : withoutSplitKeys(metadata),
    get tensors() {
      // for a file alone only when somebody asks: its part has the same list
      tensors ??= joinTensors(parts);
      return tensors;
    },
    ...readsOf(parts.map(({ source, file }) => ({ source, littleEndian: file.littleEndian }))),
  };
}

interface OpenPart {
  readonly source: ByteSource;
  readonly file: GgufFile;
}

/** Checks that the files are all parts of one split, each once, and puts them in order. */
function orderParts(opened: readonly OpenPart[]): OpenPart[] {
  const ordered: (OpenPart | undefined)[] = opened.map(() => undefined);
  for (const part of opened) {
    const path = part.source.name;
    const count = splitCount(part.file.metadata, path);
    if (count !== opened.length && !(count === 0 && opened.length === 1)) {
      throw new FormatError(
        `${SPLIT_KEYS.count} is ${count}, but the model is made of ${opened.length} file${opened.length === 1 ? "" : "s"}.`,
        { path, hint: "Open all parts together, or one of them by its file name." },
      );
    }
    // llama.cpp reads the other split keys of several parts only
    const no = opened.length === 1 ? 0 : splitNumber(part.file.metadata, SPLIT_KEYS.no, path);
    if (no >= opened.length) {
      throw new FormatError(`${SPLIT_KEYS.no} is ${no}, but there are ${opened.length} parts.`, { path });
    }
    const other = ordered[no];
    if (other !== undefined) {
      throw new FormatError(`${SPLIT_KEYS.no} is ${no}, as in ${quoted(other.source.name)}.`, {
        path,
      });
    }
    ordered[no] = part;
  }
  return ordered.filter((part) => part !== undefined);
}

function joinTensors(parts: readonly OpenPart[]): GgufTensorInfo[] {
  const tensors = parts.flatMap(({ file }, part) =>
    // spelled out: V8 keeps what is added to a copied object apart from it
    file.tensors.map(({ name, shape, encoding, byteOffset, byteLength }) => {
      return { name, shape, encoding, byteOffset, byteLength, part };
    }),
  );
  if (parts.length === 1) return tensors;
  for (const { source, file } of parts) {
    const total = splitNumber(file.metadata, SPLIT_KEYS.tensorsCount, source.name);
    if (total !== tensors.length) {
      throw new FormatError(
        `${SPLIT_KEYS.tensorsCount} is ${total}, but the parts have ${tensors.length} tensors together.`,
        { path: source.name },
      );
    }
  }
  const owners = new Map<string, number>();
  for (const { name, part } of tensors) {
    const owner = owners.get(name);
    if (owner !== undefined) {
      throw new FormatError(`The tensor is in part ${part + 1}, but also in part ${owner + 1}.`, {
        path: parts[part]?.source.name,
        tensor: name,
      });
    }
    owners.set(name, part);
  }
  return tensors;
}

/** `split.count`, 0 where the file is not a part. */
function splitCount(metadata: Metadata, path: string): number {
  return metadata.has(SPLIT_KEYS.count) ? splitNumber(metadata, SPLIT_KEYS.count, path) : 0;
}

function splitNumber(metadata: Metadata, key: string, path: string): number {
  const entry = metadata.get(key);
  const value = entry?.type === "u64" || entry?.type === "i64" ? Number(entry.value) : entry?.value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FormatError(
    entry === undefined ? `The key ${key} is missing in a part.` : `${key} is not a whole number.`,
    { path },
  );
}

function checkPartCount(count: number, limits: Limits, path: string): void {
  if (count <= limits.shardCount) return;
  throw new LimitError(`The model has ${count} parts; the limit is ${limits.shardCount}.`, {
    path,
    hint: "Raise limits.shardCount if the file is trusted.",
  });
}

function withoutSplitKeys(metadata: Metadata): Metadata {
  return new Map([...metadata].filter(([key]) => !isSplitKey(key)));
}
