import { IoError, isCodecError } from "@requant/core";
import { bounded } from "@requant/core/text";

interface Refusal {
  readonly message: string;
  readonly hint: string;
}

/** By status. What the hub says is shown for all others. */
const refusals: Readonly<Record<number, (repository: string) => Refusal>> = {
  401: () => ({
    message: "The hub does not accept the access token.",
    hint: "Make a new one on the hub's page of settings, with the right to write, and set HF_TOKEN.",
  }),
  403: (repository) => ({
    message: `The access token may not write to ${repository}.`,
    hint: "Use a token with the right to write, of an account that may write there (HF_TOKEN).",
  }),
  404: (repository) => ({
    message: `There is no repository or branch ${repository} that the access token's account may write to.`,
    hint: "Check the name. A branch other than main must be there before.",
  }),
  413: () => ({
    message: "The hub does not take a file of this size.",
    hint: "Split the output into smaller files with --shard-size.",
  }),
};

/** What the library throws of an answer: it has the answer's status. */
export function statusOf(error: unknown): number | undefined {
  const isAnswer = error instanceof Error && "statusCode" in error && typeof error.statusCode === "number";
  return isAnswer ? Number(error.statusCode) : undefined;
}

/** A failure of the hub library in words of ours; other failures as they are. */
export function uploadError(error: unknown, repository: string, path: string): unknown {
  if (isCodecError(error) || !(error instanceof Error) || error.name === "AbortError") return error;
  const status = statusOf(error);
  const known = status === undefined ? undefined : refusals[status]?.(repository);
  if (known !== undefined) return new IoError(known.message, { path, hint: known.hint, cause: error });
  const said = bounded(error.message, 200);
  const by = status === undefined ? "The upload failed" : `The hub refuses the upload (${status})`;
  return new IoError(`${by}: ${said}.`, { path, hint: "Run the same command with --resume.", cause: error });
}
