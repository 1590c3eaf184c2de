/** The files of a folder one by one: what opening the model would stop at, and what it never looks at. */
import {
  type ByteSource,
  byteText,
  type Finding,
  isCodecError,
  type Limits,
  limitsWith,
  type ReadStore,
} from "@requant/core";
import { readGguf } from "@requant/gguf";
import { parseShardIndex, readHeader } from "@requant/safetensors";
import { findModel, looksLikePickle } from "../../model/find.ts";
import { finding } from "../../model/findings/finding.ts";
import { few } from "./few.ts";
import { findingOfError } from "./from-error.ts";

const PICKLE = /\.(bin|pt|pth|ckpt|pkl)$/i;
/** What `split` and upload tools leave of one file: pieces that are cut anywhere, and only the first of which begins like a model. */
const RAW_PIECE = /\.(?:gguf|safetensors)[.-]?(?:part[\w-]*|split-[a-z]+|[0-9]{2,3}|[a-z]{2})$/i;
const UNFINISHED = /\.(incomplete|part|partial|crdownload|aria2|download|tmp)$/i;
const SIDE_FILE = /\.(json|jinja|model|txt)$/i;
const INDEX = /\.safetensors\.index\.json$/i;

export async function folderFindings(
  store: ReadStore,
  names: readonly string[],
  limits: Limits = limitsWith(),
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const hasSafe = names.some((name) => /\.(safetensors|gguf)$/i.test(name));
  const pieces = names.filter((name) => RAW_PIECE.test(name)).sort();
  if (pieces.length > 0)
    findings.push(
      finding(
        "raw-pieces",
        `${pieces.length} files are pieces of one model file, cut anywhere: ${few(pieces)}.`,
        { path: pieces[0] },
        `Join them in order, all of them: cat ${pieces[0]} … > MODEL.`,
      ),
    );
  for (const name of names) {
    if (pieces.includes(name)) continue;
    if (UNFINISHED.test(name))
      findings.push(
        finding("unfinished-download", "The file is part of a download that did not end.", { path: name }),
      );
    else if (PICKLE.test(name) && hasSafe)
      findings.push(finding("pickle-beside", "A Python pickle lies beside the weights.", { path: name }));
    else for (const found of await fileFindings(store, name, limits)) findings.push(found);
  }
  return [...findings, ...adapterFindings(names), ...(await indexFindings(store, names, limits))];
}

/** What training of an adapter leaves (PEFT): the base model is elsewhere. */
function adapterFindings(names: readonly string[]): Finding[] {
  // weights that can be opened say themselves what they are
  if (names.some((name) => /\.safetensors$/i.test(name))) return [];
  if (!names.includes("adapter_config.json") || names.includes("config.json")) return [];
  return [
    finding(
      "not-a-model",
      "The folder is a LoRA adapter, not a model that can be run by itself.",
      { path: "adapter_config.json" },
      "Load it beside its base model, which adapter_config.json names, or merge it into that model first.",
    ),
  ];
}

/** One file of a kind that models are made of; others are nobody's business. */
async function fileFindings(store: ReadStore, name: string, limits: Limits): Promise<Finding[]> {
  const isWeights = /\.(safetensors|gguf)$/i.test(name);
  if (!isWeights && !SIDE_FILE.test(name)) return [];
  try {
    if (!isWeights) return await sideFileFindings(store, name);
    // knows pointers, pages and pickles by their first bytes
    const found = await findModel({ store, file: name });
    try {
      if (found.head.length === 0) return [finding("never-written", "The file is empty.", { path: name })];
      await withSource(found.store, name, async (source) => {
        if (/\.gguf$/i.test(name)) await readGguf(source, { limits });
        else await readHeader(source, limits);
      });
    } finally {
      await found.close();
    }
    return [];
  } catch (error) {
    return [findingOfError(error, name)];
  }
}

/** Bytes that belong to no tensor may be a second file: shards that were joined as if they were pieces. */
export async function joinedFindings(store: ReadStore, findings: readonly Finding[]): Promise<Finding[]> {
  const joined = new Map<string, Finding>();
  for (const { code, path, offset } of findings) {
    if (code !== "trailing-bytes" || path === undefined || offset === undefined) continue;
    const begins = await withSource(store, path, async (source) =>
      byteText(await source.read(offset, Math.min(offset + 9, source.byteLength))),
    );
    if (begins === undefined || !(begins.startsWith("GGUF") || begins[8] === "{")) continue;
    const message = `A second model file begins at byte ${offset}: files were joined as they are, and only the first is read.`;
    joined.set(path, finding("joined-files", message, { path, offset }));
  }
  return [...joined.values()];
}

async function sideFileFindings(store: ReadStore, name: string): Promise<Finding[]> {
  const head = await withSource(store, name, (source) => source.read(0, Math.min(64, source.byteLength)));
  const text = byteText(head ?? new Uint8Array(0));
  if (text.startsWith("version https://git-lfs"))
    return [finding("lfs-pointer", "The file is a Git LFS pointer, not the file itself.", { path: name })];
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    return [finding("web-page", "The file is a web page.", { path: name })];
  if (looksLikePickle(text))
    return [
      finding("pickle", "The file is a Python pickle, which can run code when it is read.", { path: name }),
    ];
  return [];
}

async function withSource<T>(
  store: ReadStore,
  name: string,
  work: (source: ByteSource) => Promise<T>,
): Promise<T | undefined> {
  const source = await store.open(name);
  if (source === undefined) return undefined;
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

/** All shards that the index names and that are not there (opening stops at the first), and those it does not name. */
async function indexFindings(store: ReadStore, names: readonly string[], limits: Limits): Promise<Finding[]> {
  const indexes = names.filter((name) => INDEX.test(name));
  const [index] = indexes;
  if (index === undefined || indexes.length > 1) return [];
  try {
    const bytes = await withSource(store, index, async (source) =>
      source.byteLength > limits.sideFileByteLength ? undefined : source.read(0, source.byteLength),
    );
    if (bytes === undefined) return [];
    const shards = new Set(parseShardIndex(bytes, limits, index).weightMap.values());
    return [
      ...[...shards]
        .filter((shard) => !names.includes(shard))
        .map((shard) =>
          finding("missing-shard", `The index ${index} names the file, but it is not there.`, {
            path: shard,
          }),
        ),
      ...names
        .filter((name) => /\.safetensors$/i.test(name) && !shards.has(name))
        .map((name) =>
          finding("unlisted-shard", `The index ${index} does not name the file.`, { path: name }),
        ),
    ];
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return [findingOfError(error, index)];
  }
}
