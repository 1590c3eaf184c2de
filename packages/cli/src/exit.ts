import { type CodecError, type ErrorCode, isCodecError } from "@requant/core";
import { asIoError } from "@requant/core/node";
import { boundedMessage } from "@requant/core/text";
import { spellOptions } from "./render/options.ts";

/** Exit statuses: a contract with scripts (see `requant --help`). */
export const exitStatus = {
  done: 0,
  different: 1,
  usage: 2,
  refused: 3,
  io: 4,
  impossible: 5,
  interrupted: 130,
} as const;

const statusOf: Record<ErrorCode, number> = {
  USAGE: exitStatus.usage,
  FORMAT: exitStatus.refused,
  LIMIT: exitStatus.refused,
  UNSUPPORTED: exitStatus.refused,
  IO: exitStatus.io,
  CONVERSION: exitStatus.impossible,
};

/** The status of a failure; an error that is not ours is a fault of this program and counts as usage of none: 70. */
export function statusOfError(error: unknown): number {
  if (isAbort(error)) return exitStatus.interrupted;
  return isCodecError(error) ? statusOf[error.code] : 70;
}

/** What the system reports of a thread that it could not start: its code stands in the message alone. */
const STARTED_WITHOUT = /\b(EMFILE|ENFILE|ENOMEM|EAGAIN)\b/;

/** A fault of the system that no library has named, as the `IO` error that it is; other errors stay what they are. */
export function namedFault(error: unknown): unknown {
  if (!(error instanceof Error) || isCodecError(error) || !("code" in error)) return error;
  const code = String(error.code);
  const inMessage = code === "ERR_WORKER_INIT_FAILED" ? STARTED_WITHOUT.exec(error.message)?.[1] : undefined;
  if (inMessage !== undefined) {
    return asIoError(
      Object.assign(new Error(error.message), { code: inMessage }),
      "",
      "start",
      "worker threads",
    );
  }
  const path = "path" in error && typeof error.path === "string" ? error.path : "";
  return /^E[A-Z0-9]+$/.test(code) ? asIoError(error, path, "use") : error;
}

/** Said where we may want to hear of a refusal. */
export const REPORT_HINT =
  "To report it, attach the file that requant doctor MODEL --report report.json makes. It holds nothing private.";

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** What scripts get on stderr under `--json`. */
export function errorDocument(error: unknown): { error: Record<string, unknown> } {
  if (isAbort(error)) return { error: { code: "INTERRUPTED", message: "Interrupted." } };
  if (!isCodecError(error)) {
    return {
      error: {
        code: "INTERNAL",
        message: boundedMessage(error instanceof Error ? error.message : String(error)),
        hint: "This is a fault of requant. Please report it with what --debug prints, and with the file that requant doctor MODEL --report report.json makes.",
      },
    };
  }
  const { code, message, hint, path, tensor, offset, index, reason }: CodecError = error;
  return {
    error: {
      code,
      message: spellOptions(message),
      hint: hint === undefined ? undefined : spellOptions(hint),
      path,
      tensor,
      offset,
      index,
      reason,
    },
  };
}
