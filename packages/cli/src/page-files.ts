/** The files of the built page. The standalone executable has them inside, and replaces this file. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { IoError } from "@requant/core";
import { asIoError } from "@requant/core/node";

/** How to read each file, by its path in an address, such as `/index.html`: a request cannot name any other. */
export type PageFiles = ReadonlyMap<string, () => Promise<Uint8Array>>;

/** The page of the package `@requant/web`. @throws IoError where it is not installed */
export function installedPage(): Promise<PageFiles> {
  return filesBelow(pageFolder());
}

function pageFolder(): string {
  try {
    return dirname(fileURLToPath(import.meta.resolve("@requant/web/index.html")));
  } catch (cause) {
    throw new IoError("The page is not installed: the package @requant/web is missing.", {
      cause,
      hint: "Install it: npm install @requant/web.",
    });
  }
}

/** @throws IoError where the folder cannot be read */
export async function filesBelow(folder: string): Promise<PageFiles> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw asIoError(cause, folder, "read");
  });
  const files = new Map<string, () => Promise<Uint8Array>>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    files.set(file.slice(folder.length).replaceAll("\\", "/"), () => readFile(file));
  }
  return files;
}
