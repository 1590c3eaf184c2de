/** Addresses that people paste and that are not read as they are: each is refused with the one that is. */
import { shownUrl, UsageError } from "@requant/core";

interface OtherAddress {
  readonly pattern: RegExp;
  refusal(match: RegExpExecArray, argument: string): UsageError | undefined;
}

const addresses: readonly OtherAddress[] = [
  {
    pattern: /^ollama:(?!\/\/)/,
    refusal: (_match, argument) =>
      new UsageError(`${shownUrl(argument)}: models of Ollama are not found by their names.`, {
        hint: "Give the path of the file: ollama show --modelfile NAME prints it after FROM.",
      }),
  },
  {
    pattern: /^hf:([^/@:?#]+\/[^/@:?#]+):([^/?#]+)$/,
    refusal: ([, repository], argument) =>
      new UsageError(`${shownUrl(argument)}: a file of a repository is not found by its quantization.`, {
        hint: `Name the file: hf:${repository}/FILE.gguf.`,
      }),
  },
];

/** The pages of a repository: of itself, of a folder, of a file. Files themselves are at /resolve/. */
const PAGE = /^\/([^/]+\/[^/]+)(?:\/(?:tree|blob)\/([^/]+)(?:\/(.+))?)?\/?$/;
const MODEL_FILE = /\.(?:gguf|safetensors)$/i;
/** Pages of the hub that are no repository of a model. */
const OTHER_PAGES: readonly string[] = ["datasets", "spaces", "docs", "blog", "collections", "api"];

/** @throws UsageError for a web page of the hub, and for names that are looked up elsewhere */
export function refuseOtherAddresses(argument: string, environment: NodeJS.ProcessEnv): void {
  for (const { pattern, refusal } of addresses) {
    const match = pattern.exec(argument);
    const error = match === null ? undefined : refusal(match, argument);
    if (error !== undefined) throw error;
  }
  if (!/^https?:\/\//i.test(argument) || !URL.canParse(argument)) return;
  const url = new URL(argument);
  const [, repository = "", revision = "main", file] = PAGE.exec(url.pathname) ?? [];
  if (!hubHosts(environment).includes(url.host) || repository === "") return;
  // an endpoint of one's own may serve files at any path
  if (file === undefined && MODEL_FILE.test(repository)) return;
  if (OTHER_PAGES.includes(repository.split("/")[0] ?? "")) return;
  const at = revision === "main" ? "" : `@${revision}`;
  throw new UsageError(`${shownUrl(argument)}: this is a web page of the hub, not a file.`, {
    hint: `Write hf:${repository}${at}${file === undefined ? "" : `/${file}`}.`,
  });
}

function hubHosts(environment: NodeJS.ProcessEnv): string[] {
  const endpoint = environment["HF_ENDPOINT"] ?? "";
  return ["huggingface.co", "hf.co", ...(URL.canParse(endpoint) ? [new URL(endpoint).host] : [])];
}
