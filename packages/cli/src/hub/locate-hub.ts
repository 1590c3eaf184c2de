import { join } from "node:path";
import { IoError, isCodecError, layeredStore, type ReadStore, UsageError } from "@requant/core";
import {
  type HubAddress,
  type HubFile,
  type HubRepository,
  openHub,
  shownHubAddress,
} from "@requant/core/hub";
import { directoryStore } from "@requant/core/node";
import { parseSplitName } from "@requant/gguf";
import type { Context } from "../context.ts";
import { filesBelow, isThere } from "../files-below.ts";
import type { Location } from "../location.ts";
import { readAheadStore } from "../read-ahead-store.ts";
import { ProgressBar } from "../render/progress.ts";
import { type CachedRepository, cachedRepository } from "./cache.ts";
import { modelChooser } from "./choose-model.ts";
import { type ModelFiles, modelFiles } from "./model-files.ts";
import type { HubSettings } from "./settings.ts";

/**
 * A model in a repository of the hub. Files that are in the download cache are read there, all others by ranges;
 * `--cache` downloads them first, and `--no-cache` leaves the cache alone.
 */
export async function locateHub(
  address: HubAddress,
  settings: HubSettings,
  context: Pick<Context, "signal" | "streams" | "options">,
): Promise<Location> {
  const { endpoint, token, isOffline, cacheFolder } = settings;
  const { signal, options } = context;
  const { repository } = address;
  const revision = address.revision ?? "main";
  const cache = options.cache === false ? undefined : cachedRepository(cacheFolder, repository);
  if (isOffline) return locateCached(address, cache, context);
  let hub: HubRepository;
  try {
    hub = await openHub({ endpoint, repository, revision, token, signal });
  } catch (error) {
    // as hf does: what was downloaded is there without a network
    if (!isCodecError(error) || error.reason !== "unreachable") throw error;
    if ((await cache?.commitOf(revision)) === undefined) throw error;
    if (options.quiet !== true)
      context.streams.err.write("note: The hub cannot be reached, so its download cache is read.\n");
    return locateCached(address, cache, context);
  }
  const { files, commit } = hub;
  if (files === undefined || commit === undefined)
    return locateUnlisted(address, hub, options.cache === true);
  const found = await modelFiles(address, files, modelChooser(context));
  const remote = readAheadStore(hub.store(found.folder));
  if (cache === undefined) return { store: remote, file: found.file, directory: undefined };
  if (options.cache === true) await downloadModel(files, found, { hub, cache, commit }, context);
  const folder = inFolder(cache.snapshot(commit), found.folder);
  const isCached = await isThere(folder);
  const store = isCached ? layeredStore(remote.name, [cachedStore(folder, found), remote]) : remote;
  return { store, file: found.file, directory: undefined };
}

/** From the cache alone. */
async function locateCached(
  address: HubAddress,
  cache: CachedRepository | undefined,
  context: Pick<Context, "signal" | "streams" | "options">,
): Promise<Location> {
  const { repository, revision = "main" } = address;
  if (cache === undefined) {
    throw new UsageError(
      "Under HF_HUB_OFFLINE only the download cache is read, and --no-cache leaves it out.",
      {
        hint: "Leave out one of the two.",
      },
    );
  }
  const commit = await cache.commitOf(revision);
  const snapshot = commit === undefined ? undefined : cache.snapshot(commit);
  if (snapshot === undefined || !(await isThere(snapshot))) {
    throw new IoError(`${shownHubAddress(address)} is not in the download cache.`, {
      path: cache.folder,
      hint: `Download it while there is a network (hf download ${repository}), and unset HF_HUB_OFFLINE for that.`,
      reason: "not-cached",
    });
  }
  const found = await modelFiles(address, await filesBelow(snapshot), modelChooser(context));
  const folder = inFolder(snapshot, found.folder);
  return { store: cachedStore(folder, found), file: found.file, directory: undefined };
}

/** On a server without the hub's API: the address must name the file, or be that of the model's folder. */
function locateUnlisted(address: HubAddress, hub: HubRepository, isCacheAsked: boolean): Location {
  const { path, quantization } = address;
  if (quantization !== undefined || isCacheAsked) {
    throw new UsageError(
      `${shownHubAddress(address)}: this server does not list the files of a repository.`,
      {
        hint:
          quantization === undefined
            ? "Leave out --cache."
            : `Name the file: ${shownHubAddress({ ...address, quantization: undefined, path: "FILE.gguf" })}.`,
      },
    );
  }
  const isFile = path !== undefined && /\.(?:gguf|safetensors|json)$/i.test(path);
  const slash = path?.lastIndexOf("/") ?? -1;
  const folder = isFile ? (slash < 0 ? undefined : path.slice(0, slash)) : path;
  const file = isFile ? path.slice(slash + 1) : undefined;
  return { store: readAheadStore(hub.store(folder)), file, directory: undefined };
}

interface Downloading {
  readonly hub: HubRepository;
  readonly cache: CachedRepository;
  readonly commit: string;
}

async function downloadModel(
  files: readonly HubFile[],
  found: ModelFiles,
  { hub, cache, commit }: Downloading,
  { streams, options, signal }: Pick<Context, "signal" | "streams" | "options">,
): Promise<void> {
  const { download } = await import("./download.ts");
  const bar = new ProgressBar(streams.err, options.quiet === true);
  await download({
    cache,
    commit,
    files: filesToDownload(files, found),
    store: hub.store(),
    signal,
    onProgress: (done, total) => bar.update(done, total),
  }).finally(() => bar.end());
  await cache.remember(hub.revision, commit);
}

/** Weights in other formats, and pictures: no model that is read here has them. */
const LEFT_OUT =
  /\.(?:gguf|bin|pt|pth|ckpt|pkl|h5|msgpack|onnx|onnx_data|ot|tflite|mlmodel|png|jpe?g|gif|webp|svg|mp4|pdf|zip|gz)$/i;

/** A GGUF with the other parts of its set; or a folder's files and the pooling of sentence transformers. */
function filesToDownload(files: readonly HubFile[], { folder, file }: ModelFiles): HubFile[] {
  const below = folder === undefined ? "" : `${folder}/`;
  const split = file === undefined ? undefined : parseSplitName(file);
  const isGguf = file !== undefined && /\.gguf$/i.test(file);
  return files.filter(({ path }) => {
    if (!path.startsWith(below)) return false;
    const name = path.slice(below.length);
    if (name === file) return true;
    if (!isGguf) return name === "1_Pooling/config.json" || (!name.includes("/") && !LEFT_OUT.test(name));
    const part = parseSplitName(name);
    return part !== undefined && part.prefix === split?.prefix && part.count === split.count;
  });
}

function cachedStore(folder: string, { file }: ModelFiles): ReadStore {
  return directoryStore(folder, file === undefined ? {} : { named: [file] });
}

function inFolder(snapshot: string, folder: string | undefined): string {
  return folder === undefined ? snapshot : join(snapshot, ...folder.split("/"));
}
