import { FormatError } from "../errors.ts";
import { quoted } from "../text.ts";

/**
 * Refuses a path that could leave its store, or that means different files on different systems. Shard names come from
 * the `index.json` of an untrusted model, hence `FormatError`.
 */
export function checkStorePath(path: string, storeName: string): void {
  const fault = storePathFault(path);
  if (fault === undefined) return;
  throw new FormatError(`The file name ${quoted(path)} ${fault}.`, {
    path: storeName,
    hint: "File names must be relative, with '/' between folders, and stay inside the model's folder.",
  });
}

function storePathFault(path: string): string | undefined {
  if (path === "") return "is empty";
  // this also keeps control characters away from terminals
  if ([...path].some((character) => character < " " || character === "\u007f"))
    return "contains a control character";
  if (path.includes("\\")) return "contains a backslash, which separates folders on some systems";
  if (path.startsWith("/")) return "is absolute";
  // a drive ("C:x"), an alternate data stream ("x:y") or a URL scheme
  if (path.includes(":")) return "contains a colon, which names a drive, a stream or a URL scheme";
  const parts = path.split("/");
  if (parts.includes("..")) return "leaves its folder";
  if (parts.includes(".") || parts.includes("")) return "has an empty or '.' part";
  return undefined;
}

/** The names of the files that are directly in a folder, of the paths of all files. */
export function filesIn(paths: Iterable<string>, folder: string | undefined): string[] {
  const start = folder === undefined ? "" : `${folder}/`;
  return [...paths]
    .filter((path) => path.startsWith(start))
    .map((path) => path.slice(start.length))
    .filter((path) => !path.includes("/"));
}
