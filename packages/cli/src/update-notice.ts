/** Says when there is a newer version: off, unless the user's file of defaults has `"updateNotice": true`. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context } from "./context.ts";
import { tell } from "./render/tell.ts";
import { workFolder } from "./user-folders.ts";
import { VERSION } from "./version.ts";

/** The newest release of the repository. */
const ADDRESS = "https://api.github.com/repos/requant/requant/releases/latest";
const DAY = 24 * 60 * 60 * 1000;
/** A command waits no longer for the answer, once a day. */
const TIMEOUT = 1000;

export interface UpdateCheck {
  readonly address?: string;
  readonly version?: string;
  readonly now?: () => number;
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * Asks for the newest version, at most once a day, while the command works. Never for scripts: not under --json or --quiet,
 * not in CI, and only where messages go to a terminal.
 * @returns what says it when the command is done
 */
export async function startUpdateNotice(
  context: Pick<Context, "streams" | "options">,
  { address = ADDRESS, version = VERSION, now = Date.now, environment = process.env }: UpdateCheck = {},
): Promise<() => Promise<void>> {
  const { streams, options } = context;
  const isForPeople = streams.err.isTTY === true && options.json !== true && options.quiet !== true;
  if (!isForPeople || environment["CI"]) return async () => {};
  const path = workFolder(environment, "update-notice.json");
  const known = await lastCheck(path);
  let latest = known.latest;
  let answered = Promise.resolve();
  if (!(now() - known.checked < DAY && known.checked <= now())) {
    // written first: a server that does not answer is asked once a day, too
    if (!(await remember(path, { checked: now(), latest }))) return async () => {};
    answered = newest(address, AbortSignal.timeout(TIMEOUT)).then(
      async (found) => {
        latest = found;
        await remember(path, { checked: now(), latest });
      },
      () => {},
    );
  }
  return async () => {
    await answered;
    if (isNewer(latest, version))
      tell(`Version ${latest} of requant is there; this is ${version}. npm install -g @requant/cli`, context);
  };
}

interface Check {
  readonly checked: number;
  readonly latest: string;
}

const VERSION_FORM = /^\d{1,6}\.\d{1,6}\.\d{1,6}$/;

async function lastCheck(path: string): Promise<Check> {
  try {
    const { checked, latest } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    return { checked: typeof checked === "number" ? checked : 0, latest: versionOf(latest) };
  } catch {
    return { checked: 0, latest: "" };
  }
}

/** Only the three numbers of a release: a text of a server must not reach a terminal. */
function versionOf(value: unknown): string {
  return typeof value === "string" && VERSION_FORM.test(value) ? value : "";
}

/** False where nothing can be kept: then nothing is asked, because it would be asked each time. */
async function remember(path: string, check: Check): Promise<boolean> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(check));
    return true;
  } catch {
    return false;
  }
}

async function newest(address: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(address, {
    signal,
    redirect: "error",
    headers: { accept: "application/json" },
  });
  const { tag_name: tag } = (await response.json()) as Record<string, unknown>;
  return versionOf(typeof tag === "string" ? tag.replace(/^v/, "") : tag);
}

function isNewer(found: string, own: string): boolean {
  const [theirs, ours] = [found, own].map((each) => each.split(/[.-]/).slice(0, 3).map(Number));
  if (found === "" || theirs === undefined || ours === undefined) return false;
  const at = theirs.findIndex((number, index) => number !== ours[index]);
  return at >= 0 && (theirs[at] ?? 0) > (ours[at] ?? 0);
}
