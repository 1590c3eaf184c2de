import { CodecError, IoError } from "../../errors.ts";

/** What went wrong and what to do, by the name of the browser's error. */
const BROWSER_ERRORS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  QuotaExceededError: [
    "the browser has no more room for this page",
    "Remove files that this page has stored, free some space on the disk, or write to a folder of the disk.",
  ],
  NotAllowedError: [
    "the page has no permission to do this",
    "Allow the page to change files in this folder, or choose the folder again.",
  ],
  SecurityError: [
    "the browser does not let this page use files",
    "Open the page over https or on localhost, and not in a private window.",
  ],
  NotFoundError: [
    "the file or its folder is not there any more",
    "Choose the folder again, then start again: the site's data may have been cleared.",
  ],
  NotReadableError: [
    "the file was changed, moved or removed, or the disk refuses to read it",
    "Choose the file or its folder again.",
  ],
  NoModificationAllowedError: [
    "another tab or program is using it",
    "Close the other tab or program, then try again.",
  ],
  TypeMismatchError: [
    "a folder is where a file is needed, or a file where a folder is needed",
    "Choose another name, or remove what is in the way.",
  ],
  InvalidModificationError: ["the browser cannot change it", "Choose another name, or another folder."],
  InvalidStateError: [
    "the file was changed or removed while it was in use",
    "Start again, and let only one tab or program write it.",
  ],
  AbortError: [
    "the browser stopped the writing, for lack of room or because it takes the file for dangerous",
    "Free some space on the disk, or allow the file in the browser's settings; then start again.",
  ],
};

function nameOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.name : undefined;
}

/** No such file, or no such folder on the way to it. */
export function isMissing(cause: unknown): boolean {
  return nameOf(cause) === "NotFoundError";
}

/** A browser's error as an `IoError` that says what to do; a `CodecError` stays as it is. */
export function asIoError(cause: unknown, path: string, action: string, noun: string = "file"): CodecError {
  if (cause instanceof CodecError) return cause;
  const known = BROWSER_ERRORS[nameOf(cause) ?? ""];
  const what = known?.[0] ?? (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, "");
  return new IoError(`Cannot ${action} the ${noun}: ${what}.`, { path, cause, hint: known?.[1] });
}

/** What `work` does, with errors of the browser as `IoError`s. */
export async function guarded<T>(path: string, action: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw asIoError(cause, path, action);
  }
}

/** For calls that report a full storage by a count instead of an error. */
export function noRoom(path: string): CodecError {
  const [what, hint] = BROWSER_ERRORS["QuotaExceededError"] ?? [];
  return new IoError(`Cannot write the file: ${what}.`, { path, hint });
}
