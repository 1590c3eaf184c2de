import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import {
  IoError,
  type ReadStore,
  readAheadSource,
  shownUrl,
  type UrlOptions,
  UsageError,
  urlStore,
} from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { withoutTrailing } from "@requant/core/text";
import { refuseOtherAddresses } from "./other-addresses.ts";
import { s3Store } from "./s3.ts";
import { secretFrom } from "./secret.ts";

/** Where a model argument points: a folder of files, and the one file that was named, if one was. */
export interface Location {
  readonly store: ReadStore;
  readonly file: string | undefined;
  /** Set for local models only: the folder itself. */
  readonly directory: string | undefined;
}

/** Two names with a slash between, as people paste them from the hub. */
const REPOSITORY = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
const HUB = /^hf:([^/@?#]+\/[^/@?#]+)(?:@([^/?#]+))?(?:\/([^?#]+))?$/;
/** What an address begins with. Drives of Windows have one letter. */
const SCHEME = /^([a-z][a-z0-9+.-]{1,20}):\/\//i;

/** A path, `https://…`, `hf:owner/repo[@revision][/file]` or `s3://bucket/key`. */
export async function locate(
  argument: string,
  signal?: AbortSignal,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Location> {
  refuseOtherAddresses(argument, environment);
  const remote = locateRemote(argument, environment, signal === undefined ? {} : { signal });
  if (remote !== undefined) return { ...remote, store: readAheadStore(remote.store), directory: undefined };
  const [, scheme] = SCHEME.exec(argument) ?? [];
  if (scheme !== undefined) {
    // never as a path: the error about a file that is not there would repeat what stands in it
    throw new UsageError(`${shownUrl(argument)}: addresses with ${scheme}:// are not read.`, {
      hint: "Give a path, or an address with https://, s3:// or hf:.",
    });
  }
  const path = resolve(argument);
  const info = await stat(path).catch((cause: unknown) => {
    throw new IoError(`${argument}: no such file or directory.`, {
      path,
      cause,
      hint: REPOSITORY.test(argument)
        ? `Check the path. A repository of the hub is written hf:${argument}.`
        : "Check the path.",
    });
  });
  if (info.isDirectory()) return { store: directoryStore(path), file: undefined, directory: path };
  const directory = dirname(path);
  const file = basename(path);
  return { store: directoryStore(directory, { named: [file] }), file, directory };
}

type RemoteLocation = Pick<Location, "store" | "file">;

function locateRemote(
  argument: string,
  environment: NodeJS.ProcessEnv,
  options: UrlOptions,
): RemoteLocation | undefined {
  if (argument.startsWith("hf:")) return locateHub(argument, environment, options);
  if (argument.startsWith("s3://")) return s3Store(argument, environment, options);
  return /^https?:\/\//i.test(argument) ? locateUrl(argument, options) : undefined;
}

/** Files that are fetched a few megabytes ahead of whoever reads them. */
function readAheadStore(store: ReadStore): ReadStore {
  return {
    ...store,
    async open(path) {
      const source = await store.open(path);
      return source === undefined ? undefined : readAheadSource(source);
    },
  };
}

function locateUrl(argument: string, options: UrlOptions): RemoteLocation {
  if (!URL.canParse(argument))
    throw new UsageError(`${shownUrl(argument)}: not a URL.`, { hint: "Check the address." });
  const url = new URL(argument);
  const file = url.pathname.split("/").at(-1) ?? "";
  if (!/\.(gguf|safetensors|json)$/i.test(file)) {
    const base = url.pathname.endsWith("/") ? url : new URL(`${url.pathname}/${url.search}`, url);
    return { store: urlStore(base.href, options), file: undefined };
  }
  const base = new URL(url);
  base.pathname = url.pathname.slice(0, url.pathname.length - file.length);
  return { store: urlStore(base.href, options), file: decoded(file) };
}

/** Percent escapes undone, where they are escapes of text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function locateHub(argument: string, environment: NodeJS.ProcessEnv, options: UrlOptions): RemoteLocation {
  const match = HUB.exec(argument);
  const names = match?.[1]?.split("/") ?? [];
  if (match === null || names.some((name) => name === "." || name === "..")) {
    throw new UsageError(`${shownUrl(argument)}: not a hub address.`, {
      hint: "Write hf:owner/repo, hf:owner/repo@revision or hf:owner/repo/file.",
    });
  }
  const [, , revision = "main", file] = match;
  const repository = names.map(encodeURIComponent).join("/");
  const endpoint = withoutTrailing(environment["HF_ENDPOINT"] ?? "https://huggingface.co", "/");
  const token = secretFrom(environment, "HF_TOKEN");
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const base = `${endpoint}/${repository}/resolve/${encodeURIComponent(revision)}/`;
  return { store: urlStore(base, { ...options, headers }), file };
}
