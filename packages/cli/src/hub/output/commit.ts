/** Commits to a repository, through the hub's own library. */
import { pathToFileURL } from "node:url";
import { type CommitFile, commitIter, createRepo } from "@huggingface/hub";
import { IoError } from "@requant/core";
import { ExpiredAddress, type HubAsking, hubFetch } from "./hub-fetch.ts";
import { statusOf, uploadError } from "./refusals.ts";

/** Where commits go. */
export interface CommitPlace extends HubAsking {
  /** `owner/name`. */
  readonly repository: string;
  readonly branch: string;
}

/** A file to commit: on this machine, or a text. */
export interface CommittedFile {
  /** In the repository. */
  readonly path: string;
  readonly content: { readonly file: string } | { readonly text: string };
}

/** The library wants a token and sends it; `hubFetch` puts the real one in its place, for the hub alone. */
const PLACEHOLDER = "hf_placeholder";
/** How often a signed address may expire during one commit. */
const MOST_EXPIRED = 3;

/** Makes a repository for models. One that is there is no fault. @returns false where it was there */
export async function makeRepository(place: CommitPlace, isPrivate: boolean): Promise<boolean> {
  const { endpoint, repository } = place;
  try {
    await createRepo({
      repo: { type: "model", name: repository },
      ...(isPrivate ? { visibility: "private" as const } : {}),
      accessToken: PLACEHOLDER,
      hubUrl: endpoint,
      fetch: hubFetch(place),
    });
    return true;
  } catch (error) {
    if (statusOf(error) === 409) return false;
    throw uploadError(error, repository, pageOf(place));
  }
}

/** Sends the files and commits them. Content that the hub has already is not sent again. */
export async function commitFiles(
  place: CommitPlace,
  title: string,
  files: readonly CommittedFile[],
  onProgress: (done: number) => void,
): Promise<void> {
  const { repository, signal } = place;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      await commitOnce(place, title, files, onProgress);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ExpiredAddress)) throw uploadError(error, repository, pageOf(place));
      if (attempt <= MOST_EXPIRED) continue;
      throw new IoError("The storage of the hub refuses every address that the hub signs.", {
        path: error.message,
        hint: "Check the clock of this machine, and try again later with --resume.",
      });
    }
  }
}

async function commitOnce(
  place: CommitPlace,
  title: string,
  files: readonly CommittedFile[],
  onProgress: (done: number) => void,
): Promise<void> {
  const { endpoint, repository, branch, signal } = place;
  const operations = files.map(
    ({ path, content }): CommitFile => ({
      operation: "addOrUpdate",
      path,
      content: "file" in content ? pathToFileURL(content.file) : new Blob([content.text]),
    }),
  );
  const events = commitIter({
    repo: { type: "model", name: repository },
    operations,
    title,
    branch,
    accessToken: PLACEHOLDER,
    hubUrl: endpoint,
    fetch: hubFetch(place),
    ...(signal === undefined ? {} : { abortSignal: signal }),
  });
  for await (const event of events) {
    if (event.event === "fileProgress" && event.state === "uploading") onProgress(event.progress);
  }
}

function pageOf({ endpoint, repository }: CommitPlace): string {
  return `${endpoint}/${repository}`;
}
