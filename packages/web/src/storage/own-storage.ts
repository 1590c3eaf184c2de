/** The browser's own storage: a folder for each output, which holds its files and what a stopped run has left. */

const FOLDER = "conversions";

/** One output in the browser's own storage. */
export interface StoredOutput {
  readonly name: string;
  readonly files: readonly File[];
  /** Bytes of all files, unfinished ones included. */
  readonly byteLength: number;
  /** Working files of a run that was stopped are there. */
  readonly isUnfinished: boolean;
}

async function allOutputs(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

/** The folder of one output, made where there is none. */
export async function outputFolder(name: string): Promise<FileSystemDirectoryHandle> {
  return (await allOutputs()).getDirectoryHandle(name, { create: true });
}

/** The folder of GGUF files with edited metadata. */
export const EDITED = "edited";

/** A file whose metadata was edited. */
export async function editedFile(name: string): Promise<File> {
  return (await (await outputFolder(EDITED)).getFileHandle(name)).getFile();
}

export async function storedOutputs(): Promise<StoredOutput[]> {
  const outputs: StoredOutput[] = [];
  for await (const [name, handle] of (await allOutputs()).entries()) {
    if (!isFolder(handle)) continue;
    const files: File[] = [];
    for await (const inner of handle.values()) if (isFile(inner)) files.push(await inner.getFile());
    const finished = files.filter((file) => !file.name.startsWith("."));
    outputs.push({
      name,
      files: finished,
      byteLength: files.reduce((sum, { size }) => sum + size, 0),
      isUnfinished: finished.length < files.length,
    });
  }
  return outputs;
}

export async function removeOutput(name: string): Promise<void> {
  await (await allOutputs()).removeEntry(name, { recursive: true });
}

const isFolder = (handle: FileSystemHandle): handle is FileSystemDirectoryHandle =>
  handle.kind === "directory";
const isFile = (handle: FileSystemHandle): handle is FileSystemFileHandle => handle.kind === "file";
