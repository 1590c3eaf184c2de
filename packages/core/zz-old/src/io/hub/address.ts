import { UsageError } from "../../errors.ts";
import { withoutTrailing } from "../../text.ts";
import { shownUrl } from "../url.ts";

/** The hub that is meant where no other is named. */
export const HUB_ENDPOINT = "https://huggingface.co";

/** What an address of the hub names. */
export interface HubAddress {
  /** `owner/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit; undefined for the default branch. */
  readonly revision: string | undefined;
  /** A file or a folder of the repository, which only a listing tells apart; undefined for all of it. */
  readonly path: string | undefined;
  /** The words for one of several GGUF files, such as `Q4_K_M`. */
  readonly quantization: string | undefined;
}

/** How addresses are read. */
export interface HubAddressOptions {
  /** A hub of one's own, or a mirror. Default `https://huggingface.co`. */
  readonly endpoint?: string | undefined;
}

/** A part of a repository's name (huggingface_hub, `utils/_validators.py`). */
const NAME = /^\w[\w.-]{0,95}$/;
/** Revisions with slashes in them: pull requests and converted copies (huggingface_hub, `hf_file_system.py`). */
const REFERENCE = /^refs\/(?:pr|convert)\/[^/:]+/;
const MODEL_FILE = /\.(?:gguf|safetensors|json|bin|pt|pth|npy|dat)$/i;
const HOSTS: readonly string[] = ["huggingface.co", "www.huggingface.co", "hf.co"];
/** `HOST/owner/repo`, as Ollama and llama.cpp take it. */
const BARE_HOST = /^(?:www\.)?(?:huggingface\.co|hf\.co)\//i;
/** Pages of one file or folder at a revision. */
const PLACES: readonly string[] = ["tree", "blob", "resolve", "raw"];
/** Repositories of other kinds. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  datasets: "a dataset",
  spaces: "a space",
  buckets: "a bucket",
  kernels: "a kernel",
};
/** Parts of the hub where its pages are about no repository, and its API. */
const OTHER_PAGES: readonly string[] = ["api", "blog", "chat", "collections", "docs", "models", "papers"];

const FORMS = "hf:owner/repo, hf:owner/repo@revision, hf:owner/repo:Q4_K_M or hf:owner/repo/file";

/**
 * Reads an address of the hub as people paste it: `owner/repo`, `hf:owner/repo@revision:QUANT/path`,
 * `hf.co/owner/repo:QUANT`, or the web address of a repository, a folder or a file. Undefined for any other text.
 * `owner/repo` may also be a path: look for the path first.
 * @throws UsageError for an address of the hub that names no model's repository; its secrets are not repeated
 */
export function parseHubAddress(text: string, options: HubAddressOptions = {}): HubAddress | undefined {
  if (/^https?:\/\//i.test(text)) return webAddress(text, options);
  const bareHost = BARE_HOST.exec(text)?.[0];
  if (bareHost !== undefined) {
    const place = text.slice(bareHost.length);
    // a short form has its words behind a colon; everything else is a web address without https://
    return (
      (place.includes(":") ? parseModelName(place) : undefined) ??
      webAddress(`${HUB_ENDPOINT}/${place}`, options)
    );
  }
  const prefix = /^hf:(?:\/\/)?/i.exec(text)?.[0];
  if (prefix === undefined) return isRepositoryLike(text) ? parseModelName(text) : undefined;
  const address = parseModelName(text.slice(prefix.length));
  if (address !== undefined) return address;
  throw new UsageError(`${shownUrl(text)}: not a hub address.`, { hint: `Write ${FORMS}.` });
}

/** The shortest form of an address, for messages. */
export function shownHubAddress(address: Partial<HubAddress> & Pick<HubAddress, "repository">): string {
  const { repository, revision, path, quantization } = address;
  const at = revision === undefined || revision === "main" ? "" : `@${revision}`;
  const words = quantization === undefined ? "" : `:${quantization}`;
  return `hf:${repository}${at}${words}${path === undefined ? "" : `/${path}`}`;
}

/** Two names, the second not that of a file; what follows a colon or an `@` is no name any more. */
function isRepositoryLike(text: string): boolean {
  const [owner = "", rest, ...more] = text.split("/");
  if (rest === undefined || (more.length > 0 && !/[@:]/.test(rest))) return false;
  const [name = ""] = rest.split(/[@:]/);
  return isName(owner) && isName(name) && !MODEL_FILE.test(name);
}

/** `owner/repo[@revision][:QUANT][/path]`, as other stores of models name them, too; undefined for a text of another form. */
export function parseModelName(text: string): HubAddress | undefined {
  if (/[?#\\]/.test(text)) return undefined;
  const slash = text.indexOf("/");
  const rest = text.slice(slash + 1);
  const end = rest.search(/[@:/]/);
  const name = end < 0 ? rest : rest.slice(0, end);
  if (slash < 0 || !isName(text.slice(0, slash)) || !isName(name)) return undefined;
  let left = end < 0 ? "" : rest.slice(end);
  let revision: string | undefined;
  if (left.startsWith("@")) {
    const after = left.slice(1);
    revision = REFERENCE.exec(after)?.[0] ?? upTo(after, /[:/]/);
    left = after.slice(revision.length);
    revision = decoded(revision);
  }
  let quantization: string | undefined;
  if (left.startsWith(":")) {
    quantization = upTo(left.slice(1), /[:/@]/);
    left = left.slice(1 + quantization.length);
  }
  if (revision === "" || quantization === "" || (left !== "" && !left.startsWith("/"))) return undefined;
  return {
    repository: `${text.slice(0, slash)}/${name}`,
    revision,
    quantization,
    path: withoutTrailing(left.slice(1), "/") || undefined,
  };
}

function webAddress(text: string, options: HubAddressOptions): HubAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const inside = pathInHub(url, options.endpoint ?? HUB_ENDPOINT);
  if (inside === undefined) return undefined;
  if (url.username !== "" || url.password !== "") {
    throw new UsageError(`${shownUrl(text)}: the address has a name or a password in it.`, {
      hint: "Leave it out of the address and give an access token (`token`) instead.",
    });
  }
  const parts = inside
    .split("/")
    .filter((part) => part !== "")
    .map(decoded);
  const [owner = "", rawName = "", place, ...rest] = parts;
  const kind = Object.hasOwn(OTHER_KINDS, owner) ? OTHER_KINDS[owner] : undefined;
  if (kind !== undefined && rawName !== "") {
    throw new UsageError(`${shownUrl(text)}: this is ${kind} of the hub, not a model.`, {
      hint: `Give the repository of a model: ${FORMS}.`,
    });
  }
  // what git clone takes
  const name = rawName.endsWith(".git") ? rawName.slice(0, -4) : rawName;
  if (OTHER_PAGES.includes(owner) || !isName(owner) || !isName(name)) return undefined;
  const repository = `${owner}/${name}`;
  if (place === undefined) {
    // a server of one's own may have files at any path
    if (MODEL_FILE.test(name) && !HOSTS.includes(url.host)) return undefined;
    const path = url.searchParams.get("show_file_info") ?? undefined;
    return { repository, revision: undefined, path, quantization: undefined };
  }
  if (!PLACES.includes(place) || rest.length === 0) {
    if (!HOSTS.includes(url.host)) return undefined;
    throw new UsageError(`${shownUrl(text)}: this page of the hub shows no files.`, {
      hint: `Write ${shownHubAddress({ repository })}.`,
    });
  }
  const below = rest.join("/");
  const revision = REFERENCE.exec(below)?.[0] ?? rest[0];
  const path = below.slice((revision ?? "").length + 1) || undefined;
  return { repository, revision, path, quantization: undefined };
}

/** The part of a URL's path that is below the hub's own; undefined for a URL of another server. */
function pathInHub(url: URL, endpoint: string): string | undefined {
  if (HOSTS.includes(url.host)) return url.pathname;
  if (!URL.canParse(endpoint)) return undefined;
  const hub = new URL(endpoint);
  const folder = `${withoutTrailing(hub.pathname, "/")}/`;
  const isInside = hub.host === url.host && url.pathname.startsWith(folder);
  return isInside ? url.pathname.slice(folder.length - 1) : undefined;
}

function isName(text: string): boolean {
  return NAME.test(text) && text !== "." && text !== "..";
}

function upTo(text: string, end: RegExp): string {
  const at = text.search(end);
  return at < 0 ? text : text.slice(0, at);
}

/** Percent escapes undone, where they are escapes of text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
