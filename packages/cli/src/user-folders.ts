/** Folders of the user, as the environment names them. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where programs keep what they can make again. */
export function cacheHome(environment: NodeJS.ProcessEnv): string {
  return folderFrom(environment, "XDG_CACHE_HOME") ?? join(homedir(), ".cache");
}

/** A folder that a variable names; undefined where it names none. */
export function folderFrom(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = environment[name]?.trim();
  if (value === undefined || value === "") return undefined;
  return /^~(?=$|[/\\])/.test(value) ? join(homedir(), value.slice(1)) : resolve(value);
}

/** What Requant keeps of work that another run can go on with. */
export function workFolder(environment: NodeJS.ProcessEnv, what: string): string {
  return join(cacheHome(environment), "requant", what);
}
