import { FormatError, LimitError } from "../../errors.ts";
import { HttpRequest } from "../http-request.ts";
import { persist } from "../persist.ts";
import { shownUrl, type UrlOptions } from "../url.ts";

/** A file of a repository, as the hub lists it. */
export interface HubFile {
  readonly path: string;
  readonly byteLength: number;
  /** Of the content; known for large files only, which the hub keeps outside git. */
  readonly sha256: string | undefined;
  /** Git's hash of the file, or of the pointer in its place. */
  readonly gitHash: string;
}

/** Bytes of one answer. A page has at most 1000 entries of some hundred bytes. */
const PAGE_BYTE_LENGTH = 16 * 1024 * 1024;
/** Files and folders. The hub recommends fewer than 100 000 files a repository. */
const MOST_ENTRIES = 200_000;

/** Whether a revision is a commit, and not the name of one. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The commit that a revision stands for now; undefined where the server has no API. */
export async function commitOf(
  api: string,
  revision: string,
  options: UrlOptions,
): Promise<string | undefined> {
  const url = `${api}/revision/${encodeURIComponent(revision)}`;
  const answer = await readJson(url, options);
  if (answer === undefined) return undefined;
  const sha = fieldOf(answer.json, "sha");
  if (typeof sha === "string" && isCommit(sha)) return sha;
  throw notOfHub(url, "has no commit in it");
}

/** All files of a commit. The API sends them in pages, each of which names the next by its Link header. */
export async function listFiles(api: string, commit: string, options: UrlOptions): Promise<HubFile[]> {
  const base = `${api}/tree/${commit}?recursive=true`;
  const files: HubFile[] = [];
  let entries = 0;
  let next: string | undefined = base;
  while (next !== undefined) {
    const page = await readJson(next, options);
    if (page === undefined || !Array.isArray(page.json)) throw notOfHub(base, "is no list of files");
    for (const entry of page.json) {
      const file = fileOf(entry);
      if (file !== undefined) files.push(file);
    }
    entries += page.json.length;
    if (entries > MOST_ENTRIES) {
      throw new LimitError(`The repository has more than ${MOST_ENTRIES} files and folders.`, {
        path: shownUrl(base),
        hint: "Download the files of the model, and give their folder.",
      });
    }
    const cursor = page.json.length === 0 ? undefined : nextCursor(page.link);
    // only the cursor is taken from the answer: the token goes nowhere but to the hub that was named
    next = cursor === undefined ? undefined : `${base}&cursor=${encodeURIComponent(cursor)}`;
  }
  return files;
}

interface Answer {
  readonly json: unknown;
  readonly link: string | null;
}

/** Undefined for 404. */
async function readJson(url: string, options: UrlOptions): Promise<Answer | undefined> {
  const name = shownUrl(url);
  const begin = (): HttpRequest => new HttpRequest(url, name, options);
  return persist(
    begin,
    async (request) => {
      const response = await request.get({ accept: "application/json" });
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw notOfHub(url, `has the status ${response.status}`);
      const tooLong = new LimitError(`The hub's answer has more than ${PAGE_BYTE_LENGTH} bytes.`, {
        path: name,
        hint: "Download the files of the model, and give their folder.",
      });
      const text = await request.receiveText(response, PAGE_BYTE_LENGTH, tooLong);
      try {
        return { json: JSON.parse(text) as unknown, link: response.headers.get("link") };
      } catch {
        throw notOfHub(url, "is not JSON");
      }
    },
    options,
  );
}

function fileOf(entry: unknown): HubFile | undefined {
  const path = fieldOf(entry, "path");
  const size = fieldOf(entry, "size");
  const gitHash = fieldOf(entry, "oid");
  if (fieldOf(entry, "type") !== "file" || typeof path !== "string") return undefined;
  const lfs = fieldOf(entry, "lfs");
  const sha256 = fieldOf(lfs, "oid");
  return {
    path,
    byteLength: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : 0,
    sha256: typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined,
    gitHash: typeof gitHash === "string" && /^[0-9a-f]{40}$/.test(gitHash) ? gitHash : "",
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** The cursor of `<…?cursor=…>; rel="next"` (RFC 8288). */
function nextCursor(link: string | null): string | undefined {
  for (const part of (link ?? "").split(",")) {
    if (!/;\s*rel="?next"?/i.test(part)) continue;
    const address = part.slice(part.indexOf("<") + 1, part.indexOf(">"));
    return new URL(address, "https://hub.invalid").searchParams.get("cursor") ?? undefined;
  }
  return undefined;
}

function notOfHub(url: string, what: string): FormatError {
  return new FormatError(`The answer ${what}, so it is not that of a model hub.`, {
    path: shownUrl(url),
    hint: "Check the address of the hub (`endpoint`).",
  });
}
