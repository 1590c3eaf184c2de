import {
  type ByteSource,
  type Finding,
  FormatError,
  IoError,
  isCodecError,
  LimitError,
  type Limits,
  limitsWith,
  type ReadStore,
  type TensorInfo,
  UsageError,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import type { SafetensorsFindingCode } from "./finding-codes.ts";
import { readHeader, type SafetensorsHeader } from "./header.ts";
import { parseShardIndex, type ShardIndex } from "./shard-index.ts";

/** Files opened at the same time: hides a network's latency without a burst of connections. */
const CONCURRENT_OPENS = 8;

const SINGLE_NAME = "model.safetensors";
const INDEX_SUFFIX = ".safetensors.index.json";
/** exllamav2 calls its files `output.safetensors`, or numbers them and writes no index. */
const EXL2_PREFIX = "output";
const SHARD = /^(.*)-(\d{5,})-of-(\d{5,})\.safetensors$/s;

/** One file of a safetensors model. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** Inside the store. */
  readonly name: string;
  readonly byteLength: number;
}

/** A tensor and the file that holds it. */
export interface SafetensorsTensorInfo extends TensorInfo {
  /** Name of the file that holds it. */
  readonly file: string;
}

/** A model in one safetensors file or several. */
export interface Safetensors {
  readonly files: readonly SafetensorsFile[];
  /** The tensors of all files, each file in the order of its data. */
  readonly tensors: readonly SafetensorsTensorInfo[];
  /** `__metadata__` of the first file. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly findings: readonly Finding<SafetensorsFindingCode>[];
  /** Bytes `[start, end)` of a tensor. Do not write to them.
   * @throws UsageError when the range is not inside the tensor; IoError
   */
  read(tensor: SafetensorsTensorInfo, start: number, end: number): Promise<Uint8Array>;
  /** Fills `target` with the same bytes from `start` on. */
  readInto(tensor: SafetensorsTensorInfo, start: number, target: Uint8Array): Promise<void>;
  /** Closes all files. */
  close(): Promise<void>;
}

/** Which file is opened, and limits for hostile ones. */
export interface OpenSafetensorsOptions {
  /**
   * A file of the folder: a safetensors file, any shard of a set that has an index, or the index. Default: what
   * transformers looks for, `model.safetensors` or its index, and exllamav2, `output.safetensors` or its shards; failing
   * that, the folder's only index or all its safetensors files.
   */
  readonly file?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the model of a folder.
 * @throws FormatError when files disagree with each other or their index; LimitError, UnsupportedError
 * @throws IoError when a file is missing
 */
export async function openSafetensors(
  store: ReadStore,
  options: OpenSafetensorsOptions = {},
): Promise<Safetensors> {
  const limits = limitsWith(options.limits);
  const sources: ByteSource[] = [];
  const openFile = async (name: string): Promise<OpenFile> => {
    options.signal?.throwIfAborted();
    const source = await store.open(name);
    if (source === undefined) throw missing(store, name);
    sources.push(source);
    return { source, file: { name, byteLength: source.byteLength, ...(await readHeader(source, limits)) } };
  };
  try {
    const { names, index, complete, beside } = await findFiles(store, options.file, limits);
    if (names.length > limits.shardCount) {
      throw new LimitError(`The model has ${names.length} files; the limit is ${limits.shardCount}.`, {
        path: store.name,
      });
    }
    const opened: OpenFile[] = [];
    for (let start = 0; start < names.length; start += CONCURRENT_OPENS) {
      const settled = await Promise.allSettled(names.slice(start, start + CONCURRENT_OPENS).map(openFile));
      for (const result of settled) {
        if (result.status === "rejected") throw result.reason;
        opened.push(result.value);
      }
    }
    const model = joinFiles(opened, index, complete === true, store.name);
    return beside === undefined ? model : { ...model, findings: [...model.findings, ...beside(model)] };
  } catch (error) {
    await Promise.allSettled(sources.map((source) => source.close()));
    throw error;
  }
}

interface OpenFile {
  readonly source: ByteSource;
  readonly file: SafetensorsFile;
}

interface FoundFiles {
  readonly names: readonly string[];
  readonly index?: ShardIndex;
  /** Set where the file names alone show that no file is missing. */
  readonly complete?: true;
  /** Looks at an index that is there and not read. */
  readonly beside?: (model: Safetensors) => readonly Finding<SafetensorsFindingCode>[];
}

async function findFiles(store: ReadStore, file: string | undefined, limits: Limits): Promise<FoundFiles> {
  if (file !== undefined) {
    if (file.endsWith(".json")) return filesOfIndex(store, file, limits);
    const prefix = SHARD.exec(file)?.[1];
    const found =
      prefix === undefined ? undefined : await tryIndex(store, `${prefix}${INDEX_SUFFIX}`, limits);
    if (found?.names.includes(file)) return found;
    // a single file whose name looks like a shard's, or exllamav2's shards, which have no index
    return prefix === EXL2_PREFIX ? shardsWithoutIndex(store, file) : { names: [file] };
  }
  for (const name of [SINGLE_NAME, `${EXL2_PREFIX}.safetensors`]) {
    const single = await store.open(name);
    if (single === undefined) continue;
    await single.close();
    const beside = name === SINGLE_NAME ? await unusedIndex(store, limits) : undefined;
    return { names: [name], ...(beside === undefined ? {} : { beside }) };
  }
  const standard = await tryIndex(store, `model${INDEX_SUFFIX}`, limits);
  if (standard !== undefined) return standard;
  const names = [...((await store.list()) ?? [])].sort();
  const [indexName, ...otherIndexes] = names.filter((name) => name.endsWith(INDEX_SUFFIX));
  if (indexName !== undefined && otherIndexes.length === 0) return filesOfIndex(store, indexName, limits);
  const files = names.filter((name) => name.endsWith(".safetensors"));
  if (files.length === 0) throw missing(store, SINGLE_NAME);
  const shard = files.find((name) => SHARD.exec(name)?.[1] === EXL2_PREFIX);
  if (shard !== undefined) return shardsWithoutIndex(store, shard);
  // the names say how many there are, without an index too
  for (const set of shardSets(files)) shardsOfSet(store, set, set[0] ?? "");
  return { names: files };
}

/** The files that are shards, those of each set together. */
function shardSets(files: readonly string[]): Iterable<readonly string[]> {
  const sets = new Map<string, string[]>();
  for (const name of files) {
    const [, prefix, , count] = SHARD.exec(name) ?? [];
    if (prefix === undefined) continue;
    const key = `${prefix} ${count}`;
    const set = sets.get(key);
    if (set === undefined) sets.set(key, [name]);
    else set.push(name);
  }
  return sets.values();
}

/** All shards of a set, by their numbers. @throws IoError for a missing shard */
async function shardsWithoutIndex(store: ReadStore, shard: string): Promise<FoundFiles> {
  const names = shardsOfSet(store, [...new Set((await store.list()) ?? [shard])], shard);
  return { names, complete: true };
}

/** @throws IoError for a missing shard */
function shardsOfSet(store: ReadStore, there: readonly string[], shard: string): readonly string[] {
  const [, prefix = "", , count = "0"] = SHARD.exec(shard) ?? [];
  // a hostile name may state any count, so only existing files are listed
  const total = Number(count);
  const found = there.filter((name) => {
    const match = SHARD.exec(name);
    return match?.[1] === prefix && match[3] === count;
  });
  if (found.length !== total) {
    const missingNumber = Array.from({ length: Math.min(total, found.length + 1) }, (_, i) => i + 1).find(
      (number) => !found.some((name) => Number(SHARD.exec(name)?.[2]) === number),
    );
    throw missing(store, `${prefix}-${String(missingNumber).padStart(5, "0")}-of-${count}.safetensors`);
  }
  return found.sort();
}

async function tryIndex(store: ReadStore, name: string, limits: Limits): Promise<FoundFiles | undefined> {
  const source = await store.open(name);
  if (source === undefined) return undefined;
  try {
    if (source.byteLength > limits.sideFileByteLength) {
      throw new LimitError(
        `The index has ${source.byteLength} bytes; the limit is ${limits.sideFileByteLength}.`,
        {
          path: source.name,
        },
      );
    }
    const index = parseShardIndex(await source.read(0, source.byteLength), limits, source.name);
    const names = [...new Set(index.weightMap.values())].sort();
    if (names.length === 0) throw new FormatError("The index lists no tensors.", { path: source.name });
    return { names, index };
  } finally {
    await source.close();
  }
}

/**
 * A folder with a whole model and an index beside it: transformers reads the whole one, others the index. They may be two
 * models. Where a folder cannot be listed, nothing is asked.
 */
async function unusedIndex(store: ReadStore, limits: Limits): Promise<FoundFiles["beside"]> {
  const name = `model${INDEX_SUFFIX}`;
  if ((await store.list())?.includes(name) !== true) return undefined;
  const found = await tryIndex(store, name, limits).catch((error: unknown) => {
    if (isCodecError(error)) return undefined;
    throw error;
  });
  return ({ tensors }) => {
    const agrees =
      found?.index?.weightMap.size === tensors.length &&
      tensors.every((tensor) => found.index?.weightMap.get(tensor.name) === tensor.file);
    if (agrees) return [];
    return [
      {
        code: "unused-index",
        severity: "warning",
        message: `The index ${name} does not describe ${SINGLE_NAME}, which is read without it.`,
      },
    ];
  };
}

async function filesOfIndex(store: ReadStore, name: string, limits: Limits): Promise<FoundFiles> {
  const found = await tryIndex(store, name, limits);
  if (found === undefined) throw missing(store, name);
  return found;
}

function missing(store: ReadStore, name: string): IoError {
  return new IoError(`The file ${quoted(name)} is missing.`, {
    path: `${store.name}/${name}`,
    hint: "All files of a model must be in one folder.",
    reason: "missing-shard",
  });
}

function joinFiles(
  opened: readonly OpenFile[],
  index: ShardIndex | undefined,
  complete: boolean,
  path: string,
): Safetensors {
  const findings: Finding<SafetensorsFindingCode>[] = opened.flatMap(({ file }) => file.findings);
  const all = opened.flatMap(({ file }) => file.tensors.map((tensor) => ({ ...tensor, file: file.name })));
  const owners = new Map<string, string>();
  for (const { name, file } of all) {
    const owner = owners.get(name);
    if (owner !== undefined) {
      throw new FormatError(`The tensor is in ${quoted(owner)} and in ${quoted(file)}.`, {
        path,
        tensor: name,
        hint: "Name one file if the folder holds several models.",
      });
    }
    owners.set(name, file);
  }
  for (const [tensor, file] of index?.weightMap ?? []) {
    const owner = owners.get(tensor);
    if (owner !== file) {
      throw new FormatError(
        `The index says that the tensor is in ${quoted(file)}; it is ${owner === undefined ? "in no file" : `in ${quoted(owner)}`}.`,
        { path, tensor },
      );
    }
  }
  const tensors = index === undefined ? all : all.filter(({ name }) => index.weightMap.has(name));
  if (index === undefined && !complete && opened.length > 1) {
    findings.push({
      code: "no-index",
      severity: "warning",
      message: `${opened.length} files are read together without an index.`,
    });
  }
  for (const { name } of index === undefined ? [] : all) {
    if (!index?.weightMap.has(name)) {
      findings.push({
        code: "unlisted-tensor",
        severity: "warning",
        message: "The tensor is not in the index and is left out.",
        tensor: name,
      });
    }
  }
  const total = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  if (index?.totalSize !== undefined && index.totalSize !== total) {
    findings.push({
      code: "total-size",
      severity: "warning",
      message: `The index says that the tensors have ${index.totalSize} bytes; they have ${total}.`,
    });
  }
  const sources = new Map(opened.map(({ source, file }) => [file.name, source]));
  const sourceOf = (tensor: SafetensorsTensorInfo, start: number, end: number): ByteSource => {
    const source = sources.get(tensor.file);
    if (source !== undefined && isRange(start, end, tensor.byteLength)) return source;
    throw new UsageError(`Bytes ${start} to ${end} are not inside the tensor's ${tensor.byteLength}.`, {
      tensor: tensor.name,
    });
  };
  return {
    files: opened.map(({ file }) => file),
    tensors,
    metadata: opened[0]?.file.metadata ?? {},
    findings,
    async read(tensor, start, end) {
      return sourceOf(tensor, start, end).read(tensor.byteOffset + start, tensor.byteOffset + end);
    },
    async readInto(tensor, start, target) {
      await sourceOf(tensor, start, start + target.byteLength).readInto(target, tensor.byteOffset + start);
    },
    async close() {
      await Promise.all(opened.map(({ source }) => source.close()));
    },
  };
}

function isRange(start: number, end: number, byteLength: number): boolean {
  return (
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(end) &&
    start >= 0 &&
    start <= end &&
    end <= byteLength
  );
}
