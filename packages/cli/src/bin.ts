#!/usr/bin/env node
import { mkdirSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** In the user's own cache, because a folder that anybody can write is no place for code; undefined where there is none. */
function cacheFolder(): string | undefined {
  const { XDG_CACHE_HOME = "", LOCALAPPDATA = "" } = process.env;
  try {
    const caches = [XDG_CACHE_HOME, LOCALAPPDATA, join(homedir(), ".cache")].find(isAbsolute);
    if (caches === undefined) return undefined;
    const folder = join(caches, "requant");
    // one by one: Node's own making of all of them never ends under /proc
    for (const path of [caches, folder]) makeFolder(path);
    return folder;
  } catch {
    // a user without a home, or with one that cannot be written
    return undefined;
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

// Compiling the command is most of a short run: from 22.8 on, Node keeps compiled code for the next time. Where
// NODE_COMPILE_CACHE says, if it says anything, and nowhere under NODE_DISABLE_COMPILE_CACHE=1.
const { enableCompileCache } = module as { enableCompileCache?(folder: string): unknown };
const isOff = process.env["NODE_DISABLE_COMPILE_CACHE"] === "1";
const folder = enableCompileCache === undefined || isOff ? undefined : cacheFolder();
if (folder !== undefined) enableCompileCache?.(folder);
await import("./command.ts");
