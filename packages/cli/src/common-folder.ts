/** The folder of all files, with its slash; empty where there is none. */
export function commonFolder(paths: readonly string[]): string {
  const [first = ""] = paths;
  const folder = first.slice(0, first.lastIndexOf("/") + 1);
  return paths.every((path) => path.startsWith(folder)) ? folder : "";
}
