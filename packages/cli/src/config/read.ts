/** Files of defaults, read as text. What is in them is checked in a module of its own, which is loaded where there is one. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { IoError, isCodecError, UsageError } from "@requant/core";
import { asIoError } from "@requant/core/node";
import type { ConfigPlace } from "./places.ts";

export interface ConfigText extends ConfigPlace {
  readonly text: string;
}

/** Longer ones are no files of defaults. */
const MOST_BYTES = 1_000_000;

/** The files that are there. One look at each place: most people have none, and every command looks. */
export function readConfigTexts(places: readonly ConfigPlace[]): ConfigText[] {
  return places.flatMap((place) => {
    const text = textOf(place.path);
    return text === undefined ? [] : [{ ...place, text }];
  });
}

/** @throws UsageError for what is no regular file: a pipe has no end, and a command would wait for it */
function textOf(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    refuseUnreadable(path, found);
    return readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch (cause) {
    if (isCodecError(cause)) throw cause;
    throw asIoError(cause, path, "read");
  }
}

function refuseUnreadable(path: string, found: Stats): void {
  if (!found.isFile()) {
    throw new UsageError("The file of defaults is not a regular file.", {
      path,
      hint: "Give --no-config, or put a file there.",
    });
  }
  if (found.size <= MOST_BYTES) return;
  throw new IoError(`The file of defaults has ${found.size} bytes, more than ${MOST_BYTES}.`, {
    path,
    hint: "Give --no-config, or make it shorter.",
  });
}
