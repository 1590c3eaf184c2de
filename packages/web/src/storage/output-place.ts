import { IoError, UsageError } from "@requant/core";
import type { OutputPlace } from "../conversion/choices.ts";
import { outputFolder } from "./own-storage.ts";

/** A model of one file goes into the folder itself, as a file of that name; others get a folder inside. */
export async function placeOf(
  place: OutputPlace,
  format: string,
  name: string,
): Promise<FileSystemDirectoryHandle> {
  try {
    if (place.kind === "storage") return await outputFolder(name);
    return format === "gguf" ? place.handle : await place.handle.getDirectoryHandle(name, { create: true });
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new UsageError(`The browser does not allow the name "${name}".`, {
        cause,
        hint: "Choose a name without slashes and other signs.",
      });
    }
    throw new IoError("The folder of the output cannot be opened.", {
      path: name,
      cause,
      hint: "Choose a folder again, or use the browser's storage outside a private window.",
    });
  }
}
