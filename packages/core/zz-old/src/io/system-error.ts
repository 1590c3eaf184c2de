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
  ENOTDIR: [
    "a part of the path is a file, not a directory",
    "Choose a path whose folders are folders, or remove the file that is in the way.",
  ],
  EEXIST: [
    "a file of this name is in the way, where a directory is needed",
    "Choose another name, or remove the file that is in the way.",
  ],
  ENOTEMPTY: ["the directory is not empty", "Choose another name, or empty the directory."],
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
  ENOMEM: ["there is not enough memory", "Close other programs, or use fewer jobs."],
  EAGAIN: ["the system cannot start another thread now", "Use fewer jobs."],
  EMFILE: ["too many open files", "Raise the limit (ulimit -n), or use fewer jobs."],
  EBUSY: ["another program is using it", "Close the other program, then try again."],
  ETXTBSY: ["it is a program that is running", "Choose another name."],
  EXDEV: ["it would have to move to another disk", "Write to a folder on the same disk."],
  EPIPE: ["its reader has stopped reading", "Read the whole output, or write to a file."],
  ESTALE: ["the network file system has lost it", "Mount the file system again, then try again."],
  ETIMEDOUT: ["the file system did not answer in time", "Try again, or write to a local disk."],
  EINVAL: ["the file system does not support this", "Use another disk."],
  ENOTSUP: ["the file system does not support this", "Use another disk."],
  ENXIO: ["there is no such device", "Give the path of a file."],
  ENFILE: ["too many open files in the system", "Use fewer jobs."],
  EIO: ["the disk reports an error", "Check the disk."],
  ELOOP: [
    "a symbolic link is in its place, which is not followed",
    "Remove the link, or write to a folder of your own.",
  ],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter name."],
};

function textOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/\.$/, "");
}

/** A system error as an `IoError` that says what to do; a `CodecError` stays as it is. */
export function asIoError(
  cause: unknown,
  path: string,
  action: string,
  noun: string = action === "list" ? "folder" : "file",
): CodecError {
  if (cause instanceof CodecError) return cause;
  const code = systemCode(cause);
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code];
  const what = known?.[0] ?? (code === undefined ? textOf(cause) : `the system reports ${code}`);
  return new IoError(`Cannot ${action} the ${noun}: ${what}.`, { path, cause, hint: known?.[1] });
}
