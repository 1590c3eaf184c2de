/** Where files of defaults are: one of the working folder, one of the user. */
import { homedir } from "node:os";
import path from "node:path";

/** Whose file it is: that of a folder may come from another person, with a model or a repository. */
export type Owner = "project" | "user";

export interface ConfigPlace {
  readonly owner: Owner;
  readonly path: string;
}

/** What the places follow from; tests give that of other systems. */
export interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  readonly folder: string;
  readonly home: string;
}

export const PROJECT_FILE = "requant.config.json";

/** The user's file first, then that of the folder, whose values win. */
export function configPlaces(around: Surroundings = here()): ConfigPlace[] {
  const { join } = around.platform === "win32" ? path.win32 : path.posix;
  const user = userFolder(around);
  return [
    ...(user === undefined ? [] : [{ owner: "user" as const, path: join(user, "config.json") }]),
    { owner: "project", path: join(around.folder, PROJECT_FILE) },
  ];
}

/** XDG_CONFIG_HOME where it is an absolute path, APPDATA on Windows, and else ~/.config. */
function userFolder({ environment, platform, home }: Surroundings): string | undefined {
  const { isAbsolute, join } = platform === "win32" ? path.win32 : path.posix;
  const { XDG_CONFIG_HOME = "", APPDATA = "" } = environment;
  const named = [XDG_CONFIG_HOME, ...(platform === "win32" ? [APPDATA] : [])].find(isAbsolute);
  if (named !== undefined) return join(named, "requant");
  return isAbsolute(home) ? join(home, ".config", "requant") : undefined;
}

function here(): Surroundings {
  return { environment: process.env, platform: process.platform, folder: process.cwd(), home: homeFolder() };
}

function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "";
  }
}
