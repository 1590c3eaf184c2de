import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { IoError, isCodecError, shownUrl, type UrlOptions, UsageError, urlStore } from "@requant/core";
import { asIoError, directoryStore } from "@requant/core/node";
import { withoutTrailing } from "@requant/core/text";
import type { Context } from "./context.ts";
import type { Location } from "./location.ts";
import { readAheadStore } from "./read-ahead-store.ts";

/** What an address begins with. Drives of Windows have one letter. */
export const SCHEME = /^([a-z][a-z0-9+.-]{1,20}):\/\//i;

type Asking = Pick<Context, "signal" | "streams" | "options">;

/** Finds the model of an argument that begins as the name says. */
interface Place {
  readonly prefix: RegExp;
  locate(argument: string, asking: Asking, environment: NodeJS.ProcessEnv): Promise<Location>;
}

/** What is no path. Each place loads what it needs. */
const places: readonly Place[] = [
  { prefix: /^https?:\/\//i, locate: locateWeb },
  { prefix: /^hf:/i, locate: locateHubText },
  {
    prefix: /^s3:\/\//,
    async locate(argument, { signal }, environment) {
      const { s3Store } = await import("./s3/address.ts");
      return remote(s3Store(argument, environment, { signal }));
    },
  },
  {
    prefix: /^ollama:/,
    locate: async (argument, _, environment) =>
      (await import("./local/ollama.ts")).locateOllama(argument, environment),
  },
  {
    prefix: /^lmstudio:/,
    locate: async (argument, asking) =>
      (await import("./local/lm-studio.ts")).locateLmStudio(argument, asking),
  },
];

/** A path, an address, or the name of a model in a repository or a store: see `requant help models`. */
export async function locate(
  argument: string,
  asking: Asking,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Location> {
  const place = places.find(({ prefix }) => prefix.test(argument));
  if (place !== undefined) return place.locate(argument, asking, environment);
  const [, scheme] = SCHEME.exec(argument) ?? [];
  if (scheme !== undefined) {
    // never as a path: the error about a file that is not there would repeat what stands in it
    throw new UsageError(`${shownUrl(argument)}: addresses with ${scheme}:// are not read.`, {
      hint: "Give a path, or an address with https://, s3:// or hf:.",
    });
  }
  const path = resolve(argument);
  const info = await stat(path).catch((cause: unknown) => {
    // whatever else is wrong with the text, it is not the path of a file
    if ((cause as NodeJS.ErrnoException).code !== "EACCES") return undefined;
    throw asIoError(cause, path, "find");
  });
  if (info === undefined) return locateNoPath(argument, path, asking, environment);
  if (info.isDirectory()) return { store: directoryStore(path), file: undefined, directory: path };
  const directory = dirname(path);
  const file = basename(path);
  return { store: directoryStore(directory, { named: [file] }), file, directory };
}

/** A repository, where the text is written like one, and there is no such path. */
async function locateNoPath(
  argument: string,
  path: string,
  asking: Asking,
  environment: NodeJS.ProcessEnv,
): Promise<Location> {
  const missing = (more: string, hint: string, cause?: unknown): IoError =>
    new IoError(`${argument}: no such file or directory${more}.`, { path, hint, cause });
  const { parseHubAddress } = await import("@requant/core/hub");
  if (parseHubAddress(argument) === undefined) throw missing("", "Check the path.");
  try {
    return await locateHubText(argument, asking, environment);
  } catch (error) {
    if (!isCodecError(error) || !NOT_THERE.includes(error.reason ?? "")) throw error;
    const why = `, and as a repository of the hub: ${withoutTrailing(error.message, ".")}`;
    throw missing(why, `Check the path or the name. ${error.hint ?? ""}`.trim(), error);
  }
}

/** Reasons why a text that is no path is no repository either. */
const NOT_THERE: readonly string[] = ["repository-not-found", "not-cached", "unreachable"];

/** `hf:owner/repo…`, or what is written without `hf:`. */
async function locateHubText(
  argument: string,
  asking: Asking,
  environment: NodeJS.ProcessEnv,
): Promise<Location> {
  const { hubSettings } = await import("./hub/settings.ts");
  const { parseHubAddress } = await import("@requant/core/hub");
  const settings = await hubSettings(environment);
  const address = parseHubAddress(argument, settings);
  if (address === undefined) throw new UsageError(`${shownUrl(argument)}: not a hub address.`);
  const { locateHub } = await import("./hub/locate-hub.ts");
  return locateHub(address, settings, asking);
}

/** A page or a file of the hub, or a file of another server. */
async function locateWeb(
  argument: string,
  asking: Asking,
  environment: NodeJS.ProcessEnv,
): Promise<Location> {
  const { parseHubAddress } = await import("@requant/core/hub");
  const isOfHub = parseHubAddress(argument, { endpoint: environment["HF_ENDPOINT"] }) !== undefined;
  return isOfHub
    ? locateHubText(argument, asking, environment)
    : remote(locateUrl(argument, { signal: asking.signal }));
}

function remote({ store, file }: RemoteLocation): Location {
  return { store: readAheadStore(store), file, directory: undefined };
}

type RemoteLocation = Pick<Location, "store" | "file">;

function locateUrl(argument: string, options: UrlOptions): RemoteLocation {
  if (!URL.canParse(argument))
    throw new UsageError(`${shownUrl(argument)}: not a URL.`, { hint: "Check the address." });
  const url = new URL(argument);
  const file = url.pathname.split("/").at(-1) ?? "";
  if (!/\.(gguf|safetensors|json)$/i.test(file)) {
    const base = url.pathname.endsWith("/") ? url : new URL(`${url.pathname}/${url.search}`, url);
    return { store: urlStore(base.href, options), file: undefined };
  }
  const base = new URL(url);
  base.pathname = url.pathname.slice(0, url.pathname.length - file.length);
  return { store: urlStore(base.href, options), file: decoded(file) };
}

/** Percent escapes undone, where they are escapes of text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
