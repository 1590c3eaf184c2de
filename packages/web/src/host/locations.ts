/** From what the page was told to where the bytes are. */
import type { ModelLocation } from "@requant/convert";
import { blobStore, type ReadStore, readAheadSource, UsageError, urlStore } from "@requant/core";
import { type HubAddress, openHub, parseHubAddress, shownHubAddress } from "@requant/core/hub";
import { type GgufChoice, ggufChoices, matchingGgufs } from "@requant/gguf";
import type { OpenRequest } from "../open/open-request.ts";

/** One of several models that an address may mean. */
export interface Choice {
  readonly label: string;
  readonly byteLength: number | undefined;
  readonly request: OpenRequest;
}

/** Where a model is, or the models among which a person must choose. */
export type Located =
  | { readonly kind: "location"; readonly location: ModelLocation }
  | { readonly kind: "choices"; readonly choices: readonly Choice[] };

/** Of a checkpoint whose folder the browser does not say: outputs get their names, and general.name, from it. */
const NAMELESS = "model";

export async function locate(request: OpenRequest, signal: AbortSignal): Promise<Located> {
  if (request.kind === "files") {
    const { folder, file, files, name } = request;
    const store = blobStore(files, folder ?? (file === undefined ? NAMELESS : name));
    return { kind: "location", location: { store, file } };
  }
  const text = request.text.trim();
  const address = parseHubAddress(text);
  return address === undefined
    ? { kind: "location", location: urlLocation(text) }
    : locateInHub(address, signal);
}

function urlLocation(text: string): ModelLocation {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new UsageError("This is not an address.", {
      hint: "Write https://…, or owner/repo for a repository of the hub.",
    });
  }
  const url = new URL(text);
  const file = url.pathname.split("/").at(-1) ?? "";
  if (!/\.(gguf|safetensors|json)$/i.test(file)) return { store: ahead(urlStore(text)), file: undefined };
  url.pathname = url.pathname.slice(0, url.pathname.length - file.length);
  return { store: ahead(urlStore(url.href)), file: decodeURIComponent(file) };
}

async function locateInHub(address: HubAddress, signal: AbortSignal): Promise<Located> {
  const { repository, revision, path, quantization } = address;
  const hub = await openHub({ repository, revision, signal });
  const files = hub.files ?? [];
  if (path !== undefined && files.some((file) => file.path === path)) {
    const slash = path.lastIndexOf("/");
    const folder = slash < 0 ? undefined : path.slice(0, slash);
    return { kind: "location", location: { store: ahead(hub.store(folder)), file: path.slice(slash + 1) } };
  }
  const inside = files.filter((file) => path === undefined || file.path.startsWith(`${path}/`));
  const all = ggufChoices(inside);
  const choices = quantization === undefined ? all : matchingGgufs(all, quantization);
  const [only] = choices;
  if (quantization !== undefined && only === undefined) {
    throw new UsageError(`The repository has no GGUF file of the quantization ${quantization}.`, {
      hint: `Write ${shownHubAddress({ repository, revision })} to choose among its files.`,
    });
  }
  if (only === undefined)
    return { kind: "location", location: { store: ahead(hub.store(path)), file: undefined } };
  const requestOf = (choice: GgufChoice): OpenRequest => ({
    kind: "address",
    text: shownHubAddress({ repository, revision, path: choice.file }),
  });
  if (choices.length === 1) return locate(requestOf(only), signal);
  return {
    kind: "choices",
    choices: choices.map((choice) => ({
      label: choice.file,
      byteLength: choice.byteLength,
      request: requestOf(choice),
    })),
  };
}

/** Files that are fetched some megabytes ahead of a reader that reads them in order. */
function ahead(store: ReadStore): ReadStore {
  return {
    ...store,
    async open(path) {
      const source = await store.open(path);
      return source === undefined ? undefined : readAheadSource(source);
    },
  };
}
