import {
  FormatError,
  jsonFaultPlace,
  LimitError,
  type Limits,
  limitsWith,
  type ReadStore,
  withoutTrailing,
} from "@requant/core";
import { type HfFiles, hfSideFiles, readHfFiles } from "@requant/models";
import { openSafetensors, type Safetensors } from "@requant/safetensors";
import * as z from "zod/mini";
import { type Found, openNamed, textOf } from "./find.ts";
import type { SourceFormat } from "./format.ts";
import { detectLinear, type QuantizationConfig } from "./linear/detect.ts";
import { type HfFacts, type Model, type ModelTensor, modelOf, type OpenModelOptions } from "./model.ts";

/** Weights in safetensors, float or packed: a Hugging Face-style directory, or a file alone. */
export const safetensorsSource: SourceFormat = {
  recognises: ({ file, head }) => file === undefined || isSafetensorsName(file) || looksLikeHeader(head),
  open: openSafetensorsModel,
};

function isSafetensorsName(name: string): boolean {
  return /\.safetensors(\.index\.json)?$/i.test(name);
}

/** A u64 that is a sane header length, then JSON. */
function looksLikeHeader(head: Uint8Array): boolean {
  return head.length > 8 && head[6] === 0 && head[7] === 0 && textOf(head.subarray(8, 9)) === "{";
}

async function openSafetensorsModel(found: Found, options: OpenModelOptions): Promise<Model> {
  const { store, file } = found;
  const limits = options.limits ?? limitsWith();
  const set = await openSafetensors(store, { limits, ...(file === undefined ? {} : { file }) });
  try {
    return await modelOfSet(found, limits, set);
  } catch (error) {
    await set.close();
    throw error;
  }
}

async function modelOfSet(found: Found, limits: Limits, set: Safetensors): Promise<Model> {
  const { store, file } = found;
  const folder = store.name.replace(/\/$/, "");
  const config = await readConfig(found, limits);
  const architectures = config?.["architectures"];
  const storedTensors: ModelTensor[] = [...set.tensors];
  const byName = new Map(set.tensors.map((tensor) => [tensor.name, tensor]));
  const shards = set.files.length > 1 ? `, ${set.files.length} shards` : "";
  const detected = await detectLinear(
    storedTensors,
    () => readQuantizationConfig(found, config, limits),
    {
      config,
      shapeOf: (tensor) => byName.get(tensor)?.shape,
      async read({ name, byteLength }) {
        const tensor = byName.get(name);
        return tensor === undefined ? new Uint8Array(0) : set.read(tensor, 0, byteLength);
      },
    },
    folder,
  );
  const { tensors, format = "safetensors", weights, claims } = detected;
  const packed = detected.format === undefined ? "" : `, ${weights.size} weights packed as ${format}`;
  return modelOf({
    name: file === undefined ? folder : `${folder}/${file}`,
    folder,
    format,
    variant: `${config === undefined ? "safetensors" : "Hugging Face directory, safetensors"}${packed}${shards}`,
    naming: "hf",
    architecture:
      Array.isArray(architectures) && typeof architectures[0] === "string" ? architectures[0] : undefined,
    files: set.files.map(({ name, byteLength }) => ({ name, byteLength })),
    tensors,
    warnings: [...set.warnings, ...detected.warnings],
    linear: { storedTensors, claims, weights },
    gguf: undefined,
    hf: hfFacts(found, limits, tensors, config, set.metadata),
    async read({ name }, start, end) {
      const tensor = byName.get(name);
      return tensor === undefined ? new Uint8Array(0) : set.read(tensor, start, end);
    },
    async readInto({ name }, start, target) {
      const tensor = byName.get(name);
      if (tensor !== undefined) await set.readInto(tensor, start, target);
    },
    openFile: (name) => openNamed(store, name),
    close: () => set.close(),
  });
}

/** Side files are small and read whole; the limit keeps a hostile one from filling the memory. */
async function readSideFile(store: ReadStore, name: string, limits: Limits): Promise<Uint8Array | undefined> {
  const source = await store.open(name);
  if (source === undefined) return undefined;
  try {
    if (source.byteLength > limits.sideFileByteLength) {
      throw new LimitError(
        `the file has ${source.byteLength} bytes; at most ${limits.sideFileByteLength} are read`,
        {
          path: source.name,
        },
      );
    }
    return (await source.read(0, source.byteLength)).slice();
  } finally {
    await source.close();
  }
}

async function readConfig(
  found: Found,
  limits: Limits,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (found.names?.includes("config.json") === false) return undefined;
  const bytes = await readSideFile(found.store, "config.json", limits);
  return bytes === undefined ? undefined : readHfFiles("", new Map([["config.json", bytes]]), []).config;
}

/** Where the tools put what they claim about packed weights, in the order in which readers look. */
const QUANTIZATION_FILES: readonly (readonly [file: string, method: string | undefined])[] = [
  ["quantize_config.json", undefined],
  ["quant_config.json", "awq"],
];

const jsonObject = z.record(z.string(), z.unknown());

async function readQuantizationConfig(
  found: Found,
  config: Readonly<Record<string, unknown>> | undefined,
  limits: Limits,
): Promise<QuantizationConfig | undefined> {
  const path = `${found.store.name.replace(/\/$/, "")}/`;
  const own = jsonObject.safeParse(config?.["quantization_config"] ?? config?.["compression_config"]);
  if (own.success) return { method: methodOf(own.data), json: own.data, path: `${path}config.json` };
  for (const [name, method] of QUANTIZATION_FILES) {
    if (found.names?.includes(name) === false) continue;
    const bytes = await readSideFile(found.store, name, limits);
    if (bytes === undefined) continue;
    const json = parseJson(bytes, `${path}${name}`);
    // old files of AutoGPTQ say no method
    return { method: methodOf(json) ?? method ?? "gptq", json, path: `${path}${name}` };
  }
  return undefined;
}

function methodOf(json: Readonly<Record<string, unknown>>): string | undefined {
  const method = json["quant_method"] ?? json["method"];
  return typeof method === "string" ? method : undefined;
}

function parseJson(bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  const text = new TextDecoder().decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // the engine's message would quote the file
    throw new FormatError(`this is not JSON: the first fault is at ${jsonFaultPlace(text)}`, { path });
  }
  const object = jsonObject.safeParse(value);
  if (!object.success) throw new FormatError("this is not a JSON object", { path });
  return object.data;
}

/** Files that belong to a model beside its weights. */
const SIDE_FILE = /\.(json|txt|model|jinja|md|py|tiktoken)$|^(LICENSE|LICENCE|NOTICE)/i;
/** How a sentence-transformers model makes one vector of many. */
const POOLING = "1_Pooling/config.json";
/** The folder of further chat templates. */
const TEMPLATES = "additional_chat_templates";
const WEIGHT_INDEX = /\.index\.json$/i;

function hfFacts(
  found: Found,
  limits: Limits,
  tensors: readonly ModelTensor[],
  config: HfFacts["config"],
  fileMetadata: HfFacts["fileMetadata"],
): HfFacts {
  let files: Promise<ReadonlyMap<string, Uint8Array>> | undefined;
  const sideFileBytes = (): Promise<ReadonlyMap<string, Uint8Array>> => {
    files ??= readSideFiles(found, limits);
    return files;
  };
  return {
    fileMetadata,
    config,
    sideFileBytes,
    sideFiles: async (): Promise<HfFiles> =>
      readHfFiles(directoryName(found.store.name), await sideFileBytes(), tensors),
  };
}

async function readSideFiles(found: Found, limits: Limits): Promise<ReadonlyMap<string, Uint8Array>> {
  const templates = (await found.store.list(TEMPLATES)) ?? [];
  const names = [
    ...(found.names?.filter((name) => SIDE_FILE.test(name) && !WEIGHT_INDEX.test(name)) ?? hfSideFiles),
    ...(found.names?.includes("modules.json") === true ? [POOLING] : []),
    ...templates.filter((name) => name.endsWith(".jinja")).map((name) => `${TEMPLATES}/${name}`),
  ];
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const bytes = await readSideFile(found.store, name, limits);
    if (bytes !== undefined) files.set(name, bytes);
  }
  return files;
}

/** The folder's own name; of a hub address `…/owner/repo/resolve/main/` the repository's. */
function directoryName(store: string): string {
  const hub = /\/([^/]+)\/resolve\/[^/]+\/?$/.exec(store)?.[1];
  return hub ?? withoutTrailing(store, "/\\").split(/[/\\]/).at(-1) ?? store;
}
