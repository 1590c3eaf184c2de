import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { IoError, type ReadStore, UsageError, urlStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";

/** Where a model argument points: a folder of files, and the one file that was named, if one was. */
export interface Location {
  readonly store: ReadStore;
  readonly file: string | undefined;
  /** Set for local models only: the folder itself. */
  readonly directory: string | undefined;
}

const HUB = /^hf:([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.+))?$/;

/** A path, `https://…` or `hf:owner/repo[@revision][/file]`. */
export async function locate(
  argument: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Location> {
  if (argument.startsWith("hf:")) return locateHub(argument, environment);
  if (/^https?:\/\//i.test(argument)) return locateUrl(argument);
  const path = resolve(argument);
  const info = await stat(path).catch((cause: unknown) => {
    throw new IoError(`${argument}: no such file or directory`, { path, cause, hint: "Check the path." });
  });
  if (info.isDirectory()) return { store: directoryStore(path), file: undefined, directory: path };
  const directory = dirname(path);
  return { store: directoryStore(directory), file: basename(path), directory };
}

function locateUrl(argument: string): Location {
  const url = new URL(argument);
  const file = url.pathname.split("/").at(-1) ?? "";
  if (!/\.(gguf|safetensors|json)$/i.test(file)) {
    const base = url.pathname.endsWith("/") ? url : new URL(`${url.pathname}/${url.search}`, url);
    return { store: urlStore(base.href), file: undefined, directory: undefined };
  }
  const base = new URL(url);
  base.pathname = url.pathname.slice(0, url.pathname.length - file.length);
  return { store: urlStore(base.href), file: decodeURIComponent(file), directory: undefined };
}

function locateHub(argument: string, environment: NodeJS.ProcessEnv): Location {
  const match = HUB.exec(argument);
  if (match === null) {
    throw new UsageError(`${argument}: not a hub address`, {
      hint: "Write hf:owner/repo, hf:owner/repo@revision or hf:owner/repo/file.",
    });
  }
  const [, repository = "", revision = "main", file] = match;
  const endpoint = (environment["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/, "");
  const token = environment["HF_TOKEN"];
  const headers: Record<string, string> =
    token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` };
  const base = `${endpoint}/${repository}/resolve/${encodeURIComponent(revision)}/`;
  return { store: urlStore(base, { headers }), file, directory: undefined };
}
