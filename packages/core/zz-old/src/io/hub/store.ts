import { withoutTrailing } from "../../text.ts";
import { checkHeaders } from "../http-request.ts";
import type { ReadStore } from "../store.ts";
import { checkStorePath } from "../store-path.ts";
import { parsedUrl, type UrlOptions, urlStore } from "../url.ts";
import { HUB_ENDPOINT } from "./address.ts";
import { commitOf, type HubFile, listFiles } from "./listing.ts";
import { hubRefusal } from "./refusals.ts";

/** Which repository is opened, and how the hub is asked. */
export interface HubOptions extends Omit<UrlOptions, "headers"> {
  /** `owner/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit. Default `main`. */
  readonly revision?: string | undefined;
  /** A hub of one's own, or a mirror. Default `https://huggingface.co`. */
  readonly endpoint?: string | undefined;
  /** An access token. It is sent to the endpoint, and not to other servers that the endpoint redirects to. */
  readonly token?: string | undefined;
}

/** A repository: its files at one commit. */
export interface HubRepository {
  readonly repository: string;
  readonly revision: string;
  /** The commit that the revision stood for as the repository was opened; undefined where the server has no API. */
  readonly commit: string | undefined;
  /** All files; undefined where the server has no API. */
  readonly files: readonly HubFile[] | undefined;
  /** The files below a folder, or all of them. They are read by ranges. */
  store(folder?: string): ReadStore;
}

/**
 * Opens a repository of the hub: asks for its commit and the list of its files, and reads nothing of them yet.
 * @throws IoError with a `reason` ("gated", "repository-not-found", "revision-not-found", "bad-token") and the way out
 */
export async function openHub(options: HubOptions): Promise<HubRepository> {
  const { repository, revision = "main", token, endpoint = HUB_ENDPOINT, fetch, ...rest } = options;
  const { origin } = parsedUrl(endpoint);
  const base = withoutTrailing(endpoint, "/");
  const path = repository.split("/").map(encodeURIComponent).join("/");
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  checkHeaders(headers);
  const question = { endpoint: base, repository, revision, hasToken: token !== undefined };
  const asking: UrlOptions = {
    ...rest,
    headers,
    async fetch(input, init) {
      const response = await (fetch ?? globalThis.fetch)(input, init);
      // the servers where the hub keeps its files refuse expired addresses, which says nothing about the repository
      const isHub = new URL(String(input)).origin === origin;
      const refusal = isHub ? hubRefusal(response, question) : undefined;
      if (refusal === undefined) return response;
      await response.body?.cancel();
      throw refusal;
    },
  };
  const api = `${base}/api/models/${path}`;
  const commit = await commitOf(api, revision, asking);
  const files = commit === undefined ? undefined : await listFiles(api, commit, asking);
  const filesUrl = (at: string): string => `${base}/${path}/resolve/${encodeURIComponent(at)}/`;

  return {
    repository,
    revision,
    commit,
    files,
    store(folder) {
      if (folder !== undefined) checkStorePath(folder, filesUrl(revision));
      const below = folder === undefined ? "" : `${folder}/`;
      const inUrl = below.split("/").map(encodeURIComponent).join("/");
      const listing = files === undefined ? {} : { files: pathsBelow(files, below) };
      const url = `${filesUrl(commit ?? revision)}${inUrl}`;
      const { signal: _, ...plain } = rest;
      return {
        ...urlStore(url, { ...asking, ...listing }),
        name: `${filesUrl(revision)}${inUrl}`,
        // a worker asks for itself, and has no need of better words: the hub has let us in
        ...(fetch === undefined
          ? { address: { kind: "url", url, options: { ...plain, headers, ...listing } } }
          : {}),
      };
    },
  };
}

/** The files of a repository, or of a folder in it, as a store. See `openHub`. */
export async function hubStore(options: HubOptions & { readonly folder?: string }): Promise<ReadStore> {
  const { folder, ...rest } = options;
  return (await openHub(rest)).store(folder);
}

function pathsBelow(files: readonly HubFile[], folder: string): string[] {
  const paths: string[] = [];
  for (const { path } of files) if (path.startsWith(folder)) paths.push(path.slice(folder.length));
  return paths;
}
