import { type CodecError, IoError } from "../../errors.ts";
import { quoted } from "../../text.ts";

/** What was asked of the hub. */
export interface HubQuestion {
  readonly endpoint: string;
  readonly repository: string;
  readonly revision: string;
  readonly hasToken: boolean;
}

/** What the hub says of a refused request, in the headers of its answer. */
interface Refused {
  readonly status: number;
  /** `X-Error-Code`. */
  readonly code: string | null;
  /** `X-Error-Message`. */
  readonly message: string | null;
}

interface Refusal {
  matches(refused: Refused): boolean;
  /** The kind of refusal in one word, for programs. */
  readonly reason: string;
  message(question: HubQuestion, refused: Refused): string;
  hint(question: HubQuestion): string;
}

const page = ({ endpoint, repository }: HubQuestion): string => `${endpoint}/${repository}`;
const GIVE_TOKEN = "give an access token of your account (`token`)";

/** The first that matches. Codes and texts: huggingface_hub, `utils/_http.py`, `hf_raise_for_status`. */
const refusals: readonly Refusal[] = [
  {
    reason: "gated",
    matches: ({ code }) => code === "GatedRepo",
    message: ({ repository, hasToken }) =>
      hasToken
        ? `The repository ${repository} is gated, and the access token's account may not read it yet.`
        : `The repository ${repository} is gated: only accounts that accepted its conditions may read it.`,
    hint: (question) =>
      question.hasToken
        ? `Ask for access on ${page(question)}. A fine-grained token must also allow reading gated repositories.`
        : `Accept the conditions on ${page(question)}, then ${GIVE_TOKEN}.`,
  },
  {
    reason: "revision-not-found",
    matches: ({ code }) => code === "RevisionNotFound",
    message: ({ repository, revision }) =>
      `The repository ${repository} has no branch, tag or commit ${quoted(revision)}.`,
    hint: (question) => `Choose one from ${page(question)}/tree/main.`,
  },
  {
    reason: "repository-disabled",
    matches: ({ message }) => message === "Access to this resource is disabled.",
    message: ({ repository }) => `The hub has disabled the repository ${repository}.`,
    hint: (question) => `See ${page(question)} for the reason.`,
  },
  {
    reason: "bad-token",
    matches: ({ status, message }) =>
      status === 401 && /invalid (?:credentials|user ?token)/i.test(message ?? ""),
    message: () => "The hub does not accept the access token.",
    hint: ({ endpoint }) =>
      `Make a new one on ${endpoint}/settings/tokens, or give none for a public repository.`,
  },
  {
    // for a reader who may not see it, a private repository is not there
    reason: "repository-not-found",
    matches: ({ status, code }) => code === "RepoNotFound" || (status === 401 && code === null),
    message: ({ repository, hasToken }) =>
      hasToken
        ? `There is no repository ${repository}, or the access token's account may not read it.`
        : `There is no public repository ${repository}.`,
    hint: ({ hasToken }) =>
      hasToken
        ? "Check the name. For a private repository, use a token that may read it."
        : `Check the name. For a private repository, ${GIVE_TOKEN}.`,
  },
  {
    reason: "forbidden",
    matches: ({ status, message }) => status === 403 && message !== null,
    message: ({ repository }, { message }) => `The hub refuses access to ${repository}: ${quoted(message)}`,
    hint: () => "Check what the access token allows.",
  },
];

/** Why the hub refused a request, in words; undefined for an answer that is none of its refusals. */
export function hubRefusal(response: Response, question: HubQuestion): CodecError | undefined {
  const { status, headers } = response;
  if (status !== 401 && status !== 403 && status !== 404) return undefined;
  const refused: Refused = {
    status,
    code: headers.get("x-error-code"),
    message: headers.get("x-error-message"),
  };
  const refusal = refusals.find((each) => each.matches(refused));
  if (refusal === undefined) return undefined;
  return new IoError(refusal.message(question, refused), {
    path: page(question),
    hint: refusal.hint(question),
    reason: refusal.reason,
  });
}
