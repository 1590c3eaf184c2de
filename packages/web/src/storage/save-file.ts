/** From the browser's own storage to where a person wants a file. Its bytes never stand in memory as a whole. */

interface FilePickers {
  showSaveFilePicker?(options: { readonly suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { readonly mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

const pickers: FilePickers = globalThis as typeof globalThis & FilePickers;

export const canChooseFolder: boolean = pickers.showDirectoryPicker !== undefined;

/** A folder that a person chose; undefined where the person chose none. */
export function chooseFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  return chosen(pickers.showDirectoryPicker?.({ mode: "readwrite" }));
}

export const canSaveInPlace: boolean = pickers.showSaveFilePicker !== undefined;

/** A file to write, also one that is there; undefined where the person chose none. */
export function chooseSaveFile(suggestedName: string): Promise<FileSystemFileHandle | undefined> {
  return chosen(pickers.showSaveFilePicker?.({ suggestedName }));
}

/** Asks where, and copies; where a browser cannot ask, the file is downloaded. */
export async function saveFile(file: File): Promise<void> {
  if (pickers.showSaveFilePicker === undefined) {
    download(file);
    return;
  }
  const handle = await chosen(pickers.showSaveFilePicker({ suggestedName: file.name }));
  if (handle !== undefined) await copyInto(file, handle);
}

/** Copies all files into a folder that a person chooses; where a browser cannot ask, they are downloaded. */
export async function saveFiles(files: readonly File[]): Promise<void> {
  if (!canChooseFolder) {
    for (const file of files) download(file);
    return;
  }
  const folder = await chooseFolder();
  if (folder === undefined) return;
  for (const file of files) await copyInto(file, await folder.getFileHandle(file.name, { create: true }));
}

async function copyInto(file: File, handle: FileSystemFileHandle): Promise<void> {
  await file.stream().pipeTo(await handle.createWritable());
}

/** The address must live until the browser has opened the file. */
const ADDRESS_MS = 60_000;

function download(file: File): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), ADDRESS_MS);
}

/** Closing a chooser is no error. */
async function chosen<T>(choosing: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await choosing;
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  }
}
