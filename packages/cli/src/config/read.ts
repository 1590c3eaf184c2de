/** Files of defaults, read as text. What is in them is checked in a module of its own, which is loaded where there is one. */
import { readFileSync } from "node:fs";
import { IoError } from "@requant/core";
import { asIoError } from "@requant/core/node";
import type { ConfigPlace } from "./places.ts";

export interface ConfigText extends ConfigPlace {
  readonly text: string;
}

/** Longer ones are no files of defaults. */
const MOST_CHARACTERS = 1_000_000;

/** The files that are there. One read for each place: most people have none, and every command looks. */
export function readConfigTexts(places: readonly ConfigPlace[]): ConfigText[] {
  return places.flatMap((place) => {
    const text = textOf(place.path);
    return text === undefined ? [] : [{ ...place, text }];
  });
}

function textOf(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    // no such file or folder
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw asIoError(cause, path, "read");
  }
  if (text.length <= MOST_CHARACTERS) return text.replace(/^\ufeff/, "");
  throw new IoError(`The file of defaults has ${text.length} characters.`, {
    path,
    hint: "Give --no-config, or make it shorter.",
  });
}
