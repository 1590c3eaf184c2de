/**
 * Models that Ollama has stored here: manifests/HOST/NAMESPACE/MODEL/TAG names the file blobs/sha256-… (ollama,
 * `types/model/name.go`, `manifest/paths.go`; docs/faq, "Where are models stored?").
 */
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { FormatError, IoError, UnsupportedError, UsageError } from "@requant/core";
import { asIoError, directoryStore } from "@requant/core/node";
import { bounded, didYouMean } from "@requant/core/text";
import * as z from "zod";
import { isThere } from "../files-below.ts";
import type { Location } from "../location.ts";

const HOST = "registry.ollama.ai";
const NAMESPACE = "library";
const TAG = "latest";
const PART = /^\w[\w.-]{0,127}$/;
/** The weights of a model in one GGUF file. */
const MODEL_LAYER = "application/vnd.ollama.image.model";

const manifestSchema = z.object({
  layers: z.array(z.object({ mediaType: z.string(), digest: z.string() })),
});

/** HOST, NAMESPACE, MODEL and TAG. */
type Name = readonly [host: string, namespace: string, model: string, tag: string];

/** `ollama:[[HOST/]NAMESPACE/]MODEL[:TAG]` */
export async function locateOllama(argument: string, environment: NodeJS.ProcessEnv): Promise<Location> {
  const shown = bounded(argument);
  const name = parseName(argument.slice("ollama:".length));
  if (name === undefined) {
    throw new UsageError(`${shown}: this is not the name of a model of Ollama.`, {
      hint: "Write ollama:NAME or ollama:NAME:TAG, as ollama list shows it.",
    });
  }
  const folder = await modelsFolder(environment);
  const path = join(folder, "manifests", ...name);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) throw await notStored(shown, folder, name);
  const blob = modelBlob(text, path);
  const blobs = join(folder, "blobs");
  if (!(await isThere(join(blobs, blob)))) {
    throw new IoError("Ollama lists the model, but its file is missing.", {
      path: join(blobs, blob),
      hint: `Fetch it again: ollama pull ${shownName(name)}.`,
    });
  }
  return { store: directoryStore(blobs, { named: [blob] }), file: blob, directory: blobs };
}

function parseName(text: string): Name | undefined {
  const parts = text.replace(/^\/\//, "").split("/");
  const [model = "", tag = TAG, ...more] = (parts.pop() ?? "").split(":");
  const namespace = parts.pop() ?? NAMESPACE;
  const host = parts.pop() ?? HOST;
  const name: Name = [host, namespace, model, tag];
  return parts.length === 0 && more.length === 0 && name.every((part) => PART.test(part)) ? name : undefined;
}

/** As Ollama shows it: without the parts that every model has. */
function shownName([host, namespace, model, tag]: Name): string {
  const owner = namespace === NAMESPACE && host === HOST ? "" : `${namespace}/`;
  return `${host === HOST ? "" : `${host}/`}${owner}${model}:${tag}`;
}

/** The folder that the environment names, or else the user's, or that of the service on Linux. */
async function modelsFolder(environment: NodeJS.ProcessEnv): Promise<string> {
  const named = environment["OLLAMA_MODELS"]?.trim();
  if (named !== undefined && named !== "") return named;
  const own = join(homedir(), ".ollama", "models");
  const ofService = "/usr/share/ollama/.ollama/models";
  return !(await isThere(join(own, "manifests"))) && (await isThere(ofService)) ? ofService : own;
}

function modelBlob(text: string, path: string): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const manifest = manifestSchema.safeParse(json);
  if (!manifest.success) {
    throw new FormatError("This is no manifest of Ollama.", {
      path,
      hint: "Fetch the model again: ollama pull.",
    });
  }
  const models = manifest.data.layers.filter(({ mediaType }) => mediaType === MODEL_LAYER);
  const [only] = models;
  if (only === undefined || models.length > 1) {
    throw new UnsupportedError(
      `Ollama stores this model in ${models.length === 0 ? "another form than GGUF" : `${models.length} files`}.`,
      { path, hint: "Use the repository that the model was made from." },
    );
  }
  const [, hash] = /^sha256:([0-9a-f]{64})$/.exec(only.digest) ?? [];
  if (hash !== undefined) return `sha256-${hash}`;
  throw new FormatError("The manifest names its file by something else than a SHA-256.", {
    path,
    hint: "Fetch the model again: ollama pull.",
  });
}

/** The error for a model that is not here: with its other tags, or with the name that was probably meant. */
async function notStored(shown: string, folder: string, name: Name): Promise<IoError> {
  const [host, namespace, model] = name;
  const place = join(folder, "manifests", host, namespace);
  const tags = await namesIn(join(place, model));
  if (tags.length > 0) {
    return new IoError(`${shown}: Ollama has no such tag of ${model} here.`, {
      path: folder,
      hint: `The tags here are ${tags.sort().slice(0, 20).join(", ")}.`,
    });
  }
  const models = await namesIn(place);
  return new IoError(`${shown}: Ollama has no such model here.${didYouMean(model, models)}`, {
    path: folder,
    hint: (await isThere(folder))
      ? `Fetch it with ollama pull ${shownName(name)}, or see ollama list.`
      : "OLLAMA_MODELS names the folder of the models, where it is another one.",
  });
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EACCES") throw asIoError(cause, folder, "list");
    return [];
  });
}
