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
import { weightFormats } from "../formats.ts";
import type { ModelTensor, ModelWarning } from "./model.ts";

/** What a directory's configuration files say, before anyone has interpreted it. */
export interface QuantizationConfig {
  /** `quant_method`, or what the file's own name says. */
  readonly method: string | undefined;
  readonly json: unknown;
  /** Where it stands, for messages. */
  readonly path: string;
}

export interface DetectedLinear {
  /** One tensor per linear weight in place of its parts; all others as they are. */
  readonly tensors: readonly ModelTensor[];
  readonly weights: ReadonlyMap<string, OpenableWeight>;
  /** The format of most weights, and what the configuration claims for it; undefined without any such weight. */
  readonly format: string | undefined;
  readonly claims: LinearClaims;
  readonly warnings: readonly ModelWarning[];
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
  readConfig: () => Promise<QuantizationConfig | undefined>,
  hints: ModuleHints,
  path: string,
): Promise<DetectedLinear> {
  const modules = modulesOf(stored);
  // float models need no look at files that say how weights are packed
  const config = modules.length === 0 ? undefined : await readConfig();
  const readers = new Map<WeightFormat, LinearReader>();
  const warnings: ModelWarning[] = [];
  const weights = new Map<string, OpenableWeight>();
  const replaced = new Map<number, ModelTensor>();
  const consumed = new Set<string>();
  const counts = new Map<string, number>();
  const names = new Set(stored.map(({ name }) => name));
  for (const module of modules) {
    const source = weightFormats.find((candidate) => candidate.recognises(module.parts, config?.method));
    if (source === undefined) continue;
    const parts = partsFor(source, module);
    const place: ErrorPlace = { path: `${path}/${module.file}`, tensor: module.name };
    const reader = readerFor(source, readers, config, hints, warnings);
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
    const weight = await reader.openable(module.name, parts, place);
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
  if (config?.method !== undefined && format !== undefined && !sameMethod(config.method, format)) {
    warnings.push({
      code: "config-disagrees",
      message: `${config.path} says quant_method "${config.method}"; by names and shapes the tensors are ${format}, and are read so.`,
    });
  }
  const main = weightFormats.find(({ name }) => name === format);
  return {
    tensors: stored.flatMap((tensor, index) => {
      const whole = replaced.get(index);
      return whole !== undefined ? [whole] : consumed.has(tensor.name) ? [] : [tensor];
    }),
    weights,
    format,
    claims: {
      ...(main === undefined ? undefined : readers.get(main)?.claims),
      ...(config?.method === undefined ? {} : { method: config.method }),
    },
    warnings,
  };
}

function sameMethod(method: string, format: string): boolean {
  return method === format || (format === "gptq" && method === "marlin") || method === "sparseml";
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
function modulesOf(stored: readonly ModelTensor[]): Module[] {
  const suffixes = new Set(weightFormats.flatMap((source) => source.suffixes));
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

/** One reader per format; a configuration that is another format's, or broken, is reported and not used. */
function readerFor(
  source: WeightFormat,
  readers: Map<WeightFormat, LinearReader>,
  config: QuantizationConfig | undefined,
  hints: ModuleHints,
  warnings: ModelWarning[],
): LinearReader {
  const known = readers.get(source);
  if (known !== undefined) return known;
  const own = config?.method === undefined || sameMethod(config.method, source.name);
  const place: ErrorPlace = config === undefined ? {} : { path: config.path };
  let reader: LinearReader;
  try {
    reader = source.reader(own ? config?.json : undefined, hints, place);
  } catch (error) {
    if (!isCodecError(error) || error instanceof UnsupportedError) throw error;
    warnings.push({
      code: "quantization-config",
      message: `${error.message} The tensors are shown without it, but not read.`,
    });
    reader = withoutReads(source.reader(undefined, hints, place), error);
  }
  readers.set(source, reader);
  return reader;
}
