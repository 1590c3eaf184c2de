import { IoError } from "../../errors.ts";
import { quoted } from "../../text.ts";
import { alreadyExists } from "../already-exists.ts";
import { isMissing } from "./web-error.ts";

/** A file of a folder, which need not exist yet. */
export interface Entry {
  readonly folder: FileSystemDirectoryHandle;
  readonly name: string;
  /** For errors. */
  readonly path: string;
}

/** The folders below one folder. Remembers those that it made, so that they can be removed again. */
export class Folders {
  private made: { readonly parent: FileSystemDirectoryHandle; readonly name: string }[] = [];
  private readonly root: FileSystemDirectoryHandle;

  constructor(root: FileSystemDirectoryHandle) {
    this.root = root;
  }

  /** Undefined when there is no such folder. */
  async find(names: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
    let folder: FileSystemDirectoryHandle | undefined = this.root;
    for (const name of names)
      folder = await orMissing(folder && named(name, folder.getDirectoryHandle(name)));
    return folder;
  }

  /** The folder, made where there is none. */
  async make(names: readonly string[]): Promise<FileSystemDirectoryHandle> {
    let parent = this.root;
    for (const name of names) {
      const found = await orMissing(named(name, parent.getDirectoryHandle(name)));
      if (found === undefined) this.made.push({ parent, name });
      parent = found ?? (await parent.getDirectoryHandle(name, { create: true }));
    }
    return parent;
  }

  /** Removes the folders that this store made and that are empty. */
  async removeEmpty(): Promise<void> {
    const left: typeof this.made = [];
    // a folder is made after the one around it
    for (const folder of this.made.reverse()) {
      await folder.parent.removeEntry(folder.name).catch(() => left.unshift(folder));
    }
    this.made = left;
  }
}

/** @throws IoError where the browser refuses the name, as it does for some on some systems */
async function named<T>(name: string, found: Promise<T>): Promise<T> {
  try {
    return await found;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new IoError(`The browser does not allow the name ${quoted(name)}.`, {
      path: name,
      cause,
      hint: "Choose another name.",
    });
  }
}

/** The result, or undefined where there is no such file or folder. */
async function orMissing<T>(found: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await found;
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw cause;
  }
}

export function findFile({
  folder,
  name,
}: Pick<Entry, "folder" | "name">): Promise<FileSystemFileHandle | undefined> {
  return orMissing(named(name, folder.getFileHandle(name)));
}

/** The file, made where there is none. */
export function makeFile(folder: FileSystemDirectoryHandle, name: string): Promise<FileSystemFileHandle> {
  return named(name, folder.getFileHandle(name, { create: true }));
}

export async function removeFile({ folder, name }: Pick<Entry, "folder" | "name">): Promise<void> {
  await orMissing(folder.removeEntry(name));
}

/** @throws IoError */
export async function refuseIfExists(entry: Entry): Promise<void> {
  if ((await findFile(entry)) !== undefined) throw alreadyExists(entry.path);
}
