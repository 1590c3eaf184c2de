/** Finds the modules whose weights are stored as several tensors: by names and shapes, the configuration second. */

import { type CodecError, type ErrorPlace, FormatError, isCodecError, UnsupportedError } from "@requant/core";
import type {
  LinearClaims,
  LinearReader,
  ModuleHints,
  OpenableWeight,
  StoredPart,
  WeightFormat,
} from "@requant/core/format";
import { claimedFormat, dialectKeys, settingsFor } from "./dialects.ts";
import type { ModelTensor } from "./model.ts";
import type { ModelWarning } from "./model-warning.ts";
import type { QuantizationConfig } from "./quantization-config.ts";
import { COPY_HINT, type Unclaimed } from "./unclaimed.ts";

export interface DetectedLinear {
  /** One tensor per linear weight in place of its parts; all others as they are. */
  readonly tensors: readonly ModelTensor[];
  readonly weights: ReadonlyMap<string, OpenableWeight>;
  /** The format of most weights, and what the configuration claims for it; undefined without any such weight. */
  readonly format: string | undefined;
  readonly claims: LinearClaims;
  readonly warnings: readonly ModelWarning[];
  /** Modules that a format recognised and cannot read. Their parts stay tensors of their own. */
  readonly refused: readonly Unclaimed[];
}

interface Module {
  readonly name: string;
  readonly parts: StoredPart[];
  readonly file: string;
  /** Of its first tensor in the list. */
  readonly index: number;
  byteOffset: number;
}

/**
 * Groups stored tensors into linear weights.
 * @throws FormatError naming the module whose parts are missing or contradict each other
 */
export async function detectLinear(
  stored: readonly ModelTensor[],
  config: QuantizationConfig | undefined,
  hints: ModuleHints,
  path: string,
): Promise<DetectedLinear> {
  // loaded here, so that looking at a GGUF file loads no other format
  const { weightFormats } = await import("../formats.ts");
  const modules = modulesOf(stored, weightFormats);
  const claimed = claimedFormat(
    config,
    weightFormats.map(({ name }) => name),
  );
  const readers = new Map<WeightFormat, LinearReader | UnsupportedError>();
  const refused = new Map<string, Unclaimed & { readonly tensors: string[] }>();
  const warnings: ModelWarning[] = [];
  const weights = new Map<string, OpenableWeight>();
  const replaced = new Map<number, ModelTensor>();
  const consumed = new Set<string>();
  const counts = new Map<string, number>();
  const names = new Set(stored.map(({ name }) => name));
  for (const module of modules) {
    const source = weightFormats.find((candidate) => candidate.recognises(module.parts, claimed));
    if (source === undefined) continue;
    const parts = partsFor(source, module);
    const place: ErrorPlace = { path: `${path}/${module.file}`, tensor: module.name };
    const name = `${module.name}.weight`;
    if (names.has(name)) {
      throw new FormatError(
        `the module has both a float weight and packed parts (${parts.map(({ suffix }) => suffix).join(", ")})`,
        place,
      );
    }
    const foreign = module.parts.filter((part) => !parts.includes(part));
    if (foreign.length > 0) {
      throw new FormatError(
        `the module has parts of several formats: ${module.parts.map(({ suffix }) => suffix).join(", ")}`,
        place,
      );
    }
    const reader = readerFor(source, readers, config, hints, warnings);
    if (reader instanceof UnsupportedError) {
      refuse(refused, reader, module);
      continue;
    }
    const weight = await openable(reader, module, parts, place);
    if (weight instanceof UnsupportedError) {
      refuse(refused, weight, module);
      continue;
    }
    if (!reader.claimsModule(module.name)) {
      warnings.push({
        code: "config-disagrees",
        message: `The configuration leaves ${module.name} in floats, but its tensors are packed; the tensors are read.`,
        tensor: name,
      });
    }
    weights.set(name, weight);
    counts.set(source.name, (counts.get(source.name) ?? 0) + 1);
    for (const part of parts) consumed.add(part.name);
    replaced.set(module.index, {
      name,
      shape: [weight.rows, weight.columns],
      encoding: weight.label,
      byteOffset: module.byteOffset,
      byteLength: parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
      file: module.file,
      linear: { format: source.name, module: module.name, parts },
    });
  }
  const [format] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (config?.method !== undefined && format !== undefined && claimed !== format) {
    warnings.push({
      code: "config-disagrees",
      message: `${config.path} says quant_method "${config.method}"; by names and shapes the tensors are ${format}, and are read so.`,
    });
  }
  const main = weightFormats.find(({ name }) => name === format);
  const reader = main === undefined ? undefined : readers.get(main);
  const unread = main === undefined || config === undefined ? [] : keysWithoutReader(main, config);
  if (unread.length > 0) {
    warnings.push({
      code: "quantization-config",
      message: `${config?.path}: these keys of the quantization configuration are not known and not used: ${unread.join(", ")}.`,
    });
  }
  return {
    tensors: stored.flatMap((tensor, index) => {
      const whole = replaced.get(index);
      return whole !== undefined ? [whole] : consumed.has(tensor.name) ? [] : [tensor];
    }),
    weights,
    format,
    claims: {
      ...(reader instanceof UnsupportedError ? undefined : reader?.claims),
      ...(config?.method === undefined ? {} : { method: config.method, format: claimed }),
    },
    warnings,
    refused: [...refused.values()],
  };
}

/** The weight, or why this variant of the format is not read: the rest of the model can still be looked at. */
async function openable(
  reader: LinearReader,
  module: Module,
  parts: readonly StoredPart[],
  place: ErrorPlace,
): Promise<OpenableWeight | UnsupportedError> {
  try {
    return await reader.openable(module.name, parts, place);
  } catch (error) {
    if (error instanceof UnsupportedError) return error;
    throw error;
  }
}

/** One reason for all modules that it is about. */
function refuse(
  refused: Map<string, Unclaimed & { readonly tensors: string[] }>,
  { message, hint, path }: CodecError,
  { parts }: Module,
): void {
  const reason = message.replace(/\.$/, "");
  const one = refused.get(reason) ?? { reason, hint: hint ?? COPY_HINT, path, tensors: [] };
  refused.set(reason, one);
  for (const { name } of parts) one.tensors.push(name);
}

/** Long lists of keys and long keys are cut. */
const MOST_KEYS = 8;
const LONGEST_KEY = 60;

function keysWithoutReader({ configKeys }: WeightFormat, { json, method }: QuantizationConfig): string[] {
  const known = new Set([...configKeys, ...dialectKeys(method)]);
  const unread = Object.keys(json).filter((key) => !known.has(key) && json[key] !== null);
  const named = unread.slice(0, MOST_KEYS).map((key) => key.slice(0, LONGEST_KEY));
  return unread.length > MOST_KEYS ? [...named, `and ${unread.length - MOST_KEYS} more`] : named;
}

/** Facts can be measured without a configuration; what the weights mean is another matter when there is one, and it is broken. */
function withoutReads(reader: LinearReader, error: CodecError): LinearReader {
  return {
    ...reader,
    async openable(module, parts, place) {
      const weight = await reader.openable(module, parts, place);
      return {
        ...weight,
        open() {
          throw error;
        },
      };
    },
  };
}

/** Tensors by what stands before their last dot. */
function modulesOf(stored: readonly ModelTensor[], formats: readonly WeightFormat[]): Module[] {
  const suffixes = new Set(formats.flatMap((source) => source.suffixes));
  const modules = new Map<string, Module>();
  stored.forEach(({ name, encoding, shape, byteOffset, byteLength, file }, index) => {
    const dot = name.lastIndexOf(".");
    const suffix = name.slice(dot + 1);
    if (dot <= 0 || !suffixes.has(suffix)) return;
    const key = name.slice(0, dot);
    const module = modules.get(key) ?? { name: key, parts: [], file, index, byteOffset };
    modules.set(key, module);
    module.parts.push({ suffix, name, encoding, shape, byteLength });
  });
  return [...modules.values()];
}

function partsFor(source: WeightFormat, { parts }: Module): StoredPart[] {
  return parts.filter(({ suffix }) => source.suffixes.includes(suffix));
}

/** One reader per format, or why its configuration is not supported; a broken configuration is reported and not used. */
function readerFor(
  source: WeightFormat,
  readers: Map<WeightFormat, LinearReader | UnsupportedError>,
  config: QuantizationConfig | undefined,
  hints: ModuleHints,
  warnings: ModelWarning[],
): LinearReader | UnsupportedError {
  const known = readers.get(source);
  if (known !== undefined) return known;
  const place: ErrorPlace = config === undefined ? {} : { path: config.path };
  let reader: LinearReader | UnsupportedError;
  try {
    reader = source.reader(settingsFor(source.name, config, place), hints, place);
  } catch (error) {
    if (!isCodecError(error)) throw error;
    if (error instanceof UnsupportedError) reader = error;
    else {
      warnings.push({
        code: "quantization-config",
        message: `${error.message} The tensors are shown without it, but not read.`,
      });
      reader = withoutReads(source.reader(undefined, hints, place), error);
    }
  }
  readers.set(source, reader);
  return reader;
}
