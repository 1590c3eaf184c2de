/** Groups the files that a person chose or dropped into models. */
import { strings } from "../strings.ts";
import type { OpenRequest } from "./open-request.ts";

/** A file with its path inside what was chosen. */
export interface ChosenFile {
  readonly path: string;
  readonly blob: Blob;
}

const SPLIT = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** Folders hold one model each; files that stand alone are a model each, but for the parts of one set. */
export function requestsOf(chosen: readonly ChosenFile[]): OpenRequest[] {
  const folders = new Map<string, Map<string, Blob>>();
  for (const { path, blob } of chosen) {
    const slash = path.indexOf("/");
    const folder = slash < 0 ? "" : path.slice(0, slash);
    const inside = slash < 0 ? path : path.slice(slash + 1);
    const files = folders.get(folder) ?? new Map<string, Blob>();
    files.set(inside, blob);
    folders.set(folder, files);
  }
  return [...folders].flatMap(([folder, files]) => modelsOf(folder, files));
}

function modelsOf(chosen: string, files: ReadonlyMap<string, Blob>): OpenRequest[] {
  const names = [...files.keys()];
  const folder = chosen === "" ? undefined : chosen;
  const name = folder ?? nameOf(names);
  const isDirectory = names.some(
    (path) => path === "config.json" || path.endsWith(".safetensors.index.json"),
  );
  if (isDirectory) return [{ kind: "files", name, folder, files, file: undefined }];
  const firsts = names.filter((path) => {
    const [, part] = SPLIT.exec(path) ?? [];
    return part === undefined || Number(part) === 1 || !names.includes(firstPart(path));
  });
  return firsts.map((file) => ({
    kind: "files",
    name,
    folder,
    files: setOf(file, files),
    file,
  }));
}

/** For files that were chosen one by one: the browser does not say where they lie. */
function nameOf(names: readonly string[]): string {
  const [first = ""] = names;
  return names.length > 1 ? strings.open.several(first, names.length - 1) : first;
}

/** The file, and the other parts of its set. */
function setOf(file: string, files: ReadonlyMap<string, Blob>): ReadonlyMap<string, Blob> {
  const start = SPLIT.test(file) ? file.replace(SPLIT, "") : undefined;
  const own = [...files].filter(
    ([path]) =>
      path === file || (start !== undefined && SPLIT.test(path) && path.replace(SPLIT, "") === start),
  );
  return new Map(own);
}

function firstPart(path: string): string {
  return path.replace(SPLIT, (_match, _part: string, count: string) => `-00001-of-${count}.gguf`);
}

/** What was dropped on the page: files, and folders with all that is in them. */
export async function droppedFiles(transfer: DataTransfer): Promise<ChosenFile[]> {
  // entries must be taken before the first await: the browser empties the list
  const entries = [...transfer.items].flatMap((item) => {
    const entry = item.kind === "file" ? item.webkitGetAsEntry() : null;
    return entry === null ? [] : [entry];
  });
  const lists = await Promise.all(entries.map((entry) => filesBelow(entry, "")));
  return lists.flat();
}

async function filesBelow(entry: FileSystemEntry, folder: string): Promise<ChosenFile[]> {
  const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
  if (isFile(entry)) {
    const blob = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ path, blob }];
  }
  if (!isFolder(entry)) return [];
  const lists = await Promise.all((await entriesOf(entry)).map((inner) => filesBelow(inner, path)));
  return lists.flat();
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // browsers give a hundred at a time, and an empty list at the end
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    for (const entry of some) all.push(entry);
  }
}

/** What an `<input type="file">` has: folders come with relative paths. */
export function inputFiles(files: FileList): ChosenFile[] {
  return [...files].map((file) => ({
    path: file.webkitRelativePath === "" ? file.name : file.webkitRelativePath,
    blob: file,
  }));
}
