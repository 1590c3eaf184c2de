import {
  byteText,
  type Finding,
  FormatError,
  jsonFaultPlace,
  LimitError,
  type Limits,
  limitsWith,
  type ReadStore,
} from "@requant/core";
import type { ModuleHints, QuantMethod } from "@requant/core/format";
import { adapterConfigFile, type HfFiles, hfSideFiles, readHfFiles } from "@requant/models";
import { openSafetensors, type Safetensors } from "@requant/safetensors";
import * as z from "zod/mini";
import { unusedConfigFindings } from "./config-keys.ts";
import { type DetectedLinear, detectLinear } from "./detect.ts";
import { type Found, openNamed } from "./find.ts";
import { folderName } from "./folder-name.ts";
import { type HfFacts, type Model, type ModelTensor, modelOf, type OpenModelOptions } from "./model.ts";
import { kindFindings, safetensorsKind } from "./model-kind.ts";
import { type Claims, claimFindings, unclaimedOf } from "./packed-sources.ts";
import {
  disagreements,
  type QuantizationConfig,
  quantizationFiles,
  quantizationInFile,
  quantizationsInConfig,
  quantMethods,
} from "./quantization-config.ts";
import type { SourceFormat } from "./source-format.ts";
import { COPY_HINT, isPlainFloat, unclaimedTensors } from "./unclaimed.ts";

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
  return head.length > 8 && head[6] === 0 && head[7] === 0 && byteText(head.subarray(8, 9)) === "{";
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
  const isOriginal = isOriginalLayout(found, set);
  const config = await readConfig(found, limits, isOriginal);
  const architectures = config?.["architectures"];
  const storedTensors: ModelTensor[] = [...set.tensors];
  const byName = new Map(set.tensors.map((tensor) => [tensor.name, tensor]));
  const shards = set.files.length > 1 ? `, ${set.files.length} shards` : "";
  // loaded here, so that looking at a GGUF file loads no other format
  const { weightFormats: formats } = await import("../formats.ts");
  const {
    quantization,
    others,
    findings: disagreeing,
  } = await findQuantization(found, config, {
    limits,
    methods: quantMethods(formats),
    isFloat: storedTensors.every(({ encoding }) => isPlainFloat(encoding)),
  });
  const hints: ModuleHints = {
    config,
    shapeOf: (tensor) => byName.get(tensor)?.shape,
    async read({ name, byteLength }) {
      const tensor = byName.get(name);
      return tensor === undefined ? new Uint8Array(0) : set.read(tensor, 0, byteLength);
    },
  };
  const usable = quantization?.malformed === undefined ? quantization : undefined;
  const detected = await detectLinear(storedTensors, usable, { formats, hints, path: folder });
  const { tensors, format = "safetensors", weights, claims } = detected;
  const understood = claimsOf(detected, quantization);
  const unclaimed = unclaimedOf(understood);
  const kind = safetensorsKind(storedTensors.map(({ name }) => name));
  const count = weights.size + tensors.filter(({ blocksOf }) => blocksOf !== undefined).length;
  const packed = detected.format === undefined ? "" : `, ${count} weights packed as ${format}`;
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
    findings: [
      ...set.findings,
      ...disagreeing,
      ...others.flatMap((other) => unusedConfigFindings(other, formats)),
      ...detected.findings,
      ...claimFindings(understood, unclaimed),
      ...kindFindings(kind),
    ],
    kind,
    unclaimed,
    quantization: understood.quantization,
    linear: { storedTensors, claims, weights },
    gguf: undefined,
    hf: hfFacts(found, limits, tensors, { config, isOriginal, fileMetadata: set.metadata }),
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
        `The file has ${source.byteLength} bytes; at most ${limits.sideFileByteLength} are read.`,
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

/** The settings of a checkpoint as its author published it. */
const ORIGINAL_CONFIG = "params.json";

/** Whether the weights are those that params.json describes: a config.json beside them is that of other files. */
function isOriginalLayout({ names }: Found, { files }: Pick<Safetensors, "files">): boolean {
  return (
    names?.includes(ORIGINAL_CONFIG) === true && files.every(({ name }) => name.startsWith("consolidated"))
  );
}

async function readConfig(
  found: Found,
  limits: Limits,
  isOriginal: boolean,
): Promise<HfFiles["config"] | undefined> {
  for (const name of isOriginal ? [ORIGINAL_CONFIG] : ["config.json", ORIGINAL_CONFIG]) {
    if (found.names?.includes(name) === false) continue;
    const bytes = await readSideFile(found.store, name, limits);
    if (bytes !== undefined) return readHfFiles("", new Map([[name, bytes]]), []).config;
  }
  return undefined;
}

const jsonObject = z.record(z.string(), z.unknown());

interface QuantizationSearch {
  readonly limits: Limits;
  readonly methods: readonly QuantMethod[];
  /** True where all tensors are plain floats. */
  readonly isFloat: boolean;
}

interface FoundQuantization {
  readonly quantization?: QuantizationConfig;
  /** Those that are not used, because another stands before them. */
  readonly others: readonly QuantizationConfig[];
  readonly findings: readonly Finding[];
}

/**
 * What the configuration files say about packed weights: config.json first. The other files are looked at where the
 * folder can be listed, or where the weights are packed and config.json says nothing.
 */
async function findQuantization(
  found: Found,
  config: Readonly<Record<string, unknown>> | undefined,
  { limits, methods, isFloat }: QuantizationSearch,
): Promise<FoundQuantization> {
  const folder = `${found.store.name.replace(/\/$/, "")}/`;
  const all = config === undefined ? [] : quantizationsInConfig(config, `${folder}config.json`, methods);
  const { names } = found;
  const isAsked = names !== undefined || (!isFloat && all.length === 0);
  for (const file of isAsked ? quantizationFiles(methods) : []) {
    if (names?.includes(file.name) === false) continue;
    const bytes = await readSideFile(found.store, file.name, limits);
    if (bytes === undefined) continue;
    const path = `${folder}${file.name}`;
    all.push(quantizationInFile(parseJson(bytes, path), file, path, methods));
  }
  const [quantization, ...others] = all;
  if (quantization === undefined) return { others: [], findings: [] };
  return { quantization, others, findings: disagreements(quantization, others, methods) };
}

/** Everything that no format took. */
function claimsOf(
  { tensors, weights, refused, format }: DetectedLinear,
  quantization: QuantizationConfig | undefined,
): Claims {
  const rest = tensors.filter(({ linear, blocksOf }) => linear === undefined && blocksOf === undefined);
  const modules = new Set([...weights.keys()].map((name) => name.replace(/\.weight$/, "")));
  return {
    tensors: unclaimedTensors(rest, modules, quantization !== undefined),
    all: tensors,
    refused,
    hint: COPY_HINT,
    quantization:
      quantization === undefined
        ? undefined
        : {
            ...quantization,
            used: quantization.malformed === undefined && format !== undefined,
          },
  };
}

function parseJson(bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  const text = new TextDecoder().decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // the engine's message would quote the file
    throw new FormatError(`This is not JSON: the first fault is at ${jsonFaultPlace(text)}.`, { path });
  }
  const object = jsonObject.safeParse(value);
  if (!object.success) throw new FormatError("This is not a JSON object.", { path });
  return object.data;
}

/** Files that belong to a model beside its weights. */
const SIDE_FILE = /\.(jsonl?|txt|model|jinja|md|py|tiktoken)$|^(LICENSE|LICENCE|NOTICE)/i;
/** How a sentence-transformers model makes one vector of many. */
const POOLING = "1_Pooling/config.json";
/** The folder of further chat templates. */
const TEMPLATES = "additional_chat_templates";
const WEIGHT_INDEX = /\.index\.json$/i;

interface HfSettings extends Pick<HfFacts, "config" | "fileMetadata"> {
  readonly isOriginal: boolean;
}

function hfFacts(
  found: Found,
  limits: Limits,
  tensors: readonly ModelTensor[],
  { config, isOriginal, fileMetadata }: HfSettings,
): HfFacts {
  let files: Promise<ReadonlyMap<string, Uint8Array>> | undefined;
  const sideFileBytes = (): Promise<ReadonlyMap<string, Uint8Array>> => {
    files ??= readSideFiles(found, limits);
    return files;
  };
  // a parsed vocabulary is large: shared while a caller has it, never kept for later
  let parsed: WeakRef<HfFiles> | undefined;
  return {
    fileMetadata,
    config,
    sideFileBytes,
    async sideFiles(): Promise<HfFiles> {
      const bytes = await sideFileBytes();
      const known = parsed?.deref();
      if (known !== undefined) return known;
      const own = isOriginal ? new Map([...bytes].filter(([name]) => name !== "config.json")) : bytes;
      const made = readHfFiles(folderName(found.store.name), own, tensors);
      parsed = new WeakRef(made);
      return made;
    },
    forgetSideFiles(): void {
      files = undefined;
      parsed = undefined;
    },
  };
}

async function readSideFiles(found: Found, limits: Limits): Promise<ReadonlyMap<string, Uint8Array>> {
  const templates = (await found.store.list(TEMPLATES)) ?? [];
  const names = [
    ...(found.names?.filter((name) => SIDE_FILE.test(name) && !WEIGHT_INDEX.test(name)) ?? [
      ...hfSideFiles,
      adapterConfigFile,
    ]),
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
