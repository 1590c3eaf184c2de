import { CodecError, IoError } from "../errors.ts";

/** The system's own name of an error, such as "ENOENT". */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** No such file, or no such folder on the way to it. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** What went wrong and what to do, by system error code. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [what: string, hint?: string]>> = {
  ENOENT: ["no such file or directory", "Check the path."],
  ENOTDIR: ["a part of the path is a file, not a directory", "Check the path."],
  EACCES: ["permission denied", "Check the owner and the permissions of the file and its folder."],
  EPERM: ["operation not permitted", "Check the owner and the permissions of the file and its folder."],
  EISDIR: ["it is a directory", "Give the path of a file."],
  ENOSPC: ["no space left on the disk", "Free some space, or write to another disk."],
  EDQUOT: ["the disk quota is used up", "Free some space, or write to another disk."],
  EFBIG: [
    "the file system does not allow files this large",
    "Write smaller shards, or write to another disk.",
  ],
  EROFS: ["the file system is read-only", "Write to another folder."],
  EMFILE: ["too many open files", "Raise the limit (ulimit -n), or use fewer jobs."],
  ENFILE: ["too many open files in the system", "Use fewer jobs."],
  EIO: ["the disk reports an error", "Check the disk."],
  ELOOP: [
    "a symbolic link is in its place, which is not followed",
    "Remove the link, or write to a folder of your own.",
  ],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter name."],
};

/** A system error as an `IoError` that says what to do; a `CodecError` stays as it is. */
export function asIoError(cause: unknown, path: string, action: string): CodecError {
  if (cause instanceof CodecError) return cause;
  const code = systemCode(cause);
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code];
  const what = known?.[0] ?? (cause instanceof Error ? cause.message : String(cause));
  return new IoError(`Cannot ${action} the ${action === "list" ? "folder" : "file"}: ${what}.`, {
    path,
    cause,
    hint: known?.[1],
  });
}
