/** ModelOpt's configuration: in config.json, in hf_quant_config.json, or in both. */
import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

type Json = Readonly<Record<string, unknown>>;

/** What the configuration says about the weights. The tensors have the last word. */
export interface ModelOptConfig {
  /** "NVFP4", "MIXED_PRECISION". */
  readonly algorithm: string | undefined;
  /** Columns that share a scale. */
  readonly groupSize: number | undefined;
  /** Modules that are left in floats: names, where `*` stands for any text. */
  readonly excluded: readonly string[];
  /** Of a mixed model: the algorithm of each quantized module. */
  readonly layers: ReadonlyMap<string, string>;
}

const layerSchema = z.looseObject({ quant_algo: z.nullish(z.string()) });

const configSchema = z.looseObject({
  quant_algo: z.nullish(z.string()),
  group_size: z.nullish(z.int()),
  exclude_modules: z.nullish(z.array(z.string())),
  ignore: z.nullish(z.array(z.string())),
  quantized_layers: z.nullish(z.record(z.string(), layerSchema)),
  config_groups: z.nullish(
    z.record(
      z.string(),
      z.looseObject({ weights: z.nullish(z.looseObject({ group_size: z.nullish(z.int()) })) }),
    ),
  ),
});

/**
 * Reads `quantization_config` of config.json, or the object `quantization` of hf_quant_config.json.
 * @throws FormatError when it is no such configuration
 */
export function parseModelOptConfig(json: unknown, place: ErrorPlace = {}): ModelOptConfig {
  const config = parseConfig(configSchema, json, "a ModelOpt configuration", place);
  const { quant_algo, group_size, exclude_modules, ignore, quantized_layers, config_groups } = config;
  const [group] = Object.values(config_groups ?? {});
  return {
    algorithm: quant_algo ?? undefined,
    groupSize: group_size ?? group?.weights?.group_size ?? undefined,
    excluded: exclude_modules ?? ignore ?? [],
    layers: new Map(
      Object.entries(quantized_layers ?? {}).flatMap(([name, layer]) =>
        layer.quant_algo ? [[name, layer.quant_algo] as const] : [],
      ),
    ),
  };
}

/** Whether a name is one of the patterns, or inside a module that is; `*` stands for any text. */
export function isExcluded(patterns: readonly string[], module: string): boolean {
  return patterns.some((pattern) => matches(pattern, module) || matches(`${pattern}.*`, module));
}

/** Takes one pass over the name for each star. */
function matches(pattern: string, name: string): boolean {
  const pieces = pattern.split("*");
  const [first = "", ...others] = pieces;
  const last = others.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length)
    return false;
  const end = name.length - last.length;
  let at = first.length;
  for (const piece of others) {
    const found = name.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** What a written configuration says. */
export interface WrittenModelOptConfig {
  /** Modules that stay in floats. */
  readonly excluded: readonly string[];
  /** Quantized modules, and whether the scale of their inputs is stored. */
  readonly layers: readonly { readonly module: string; readonly hasInputScale: boolean }[];
  /** The configuration of the source, whose statements about the cache are kept where ModelOpt wrote it. */
  readonly sourceConfig?: unknown;
}

/**
 * The two configurations of a directory, with the keys and the order of ModelOpt (Model Optimizer,
 * export/convert_hf_config.py).
 */
export function serializeModelOptConfig({ excluded, layers, sourceConfig }: WrittenModelOptConfig): {
  /** `quantization_config` of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** hf_quant_config.json. */
  readonly file: Readonly<Record<string, unknown>>;
} {
  // readers recognise the files by this name
  const producer = { name: "modelopt" };
  const withInputs = layers.filter(({ hasInputScale }) => hasInputScale);
  const isMixed = withInputs.length > 0 && withInputs.length < layers.length;
  const algorithm = (hasInputScale: boolean): string => (hasInputScale ? "NVFP4" : WEIGHTS_ONLY);
  const quantAlgo = isMixed ? "MIXED_PRECISION" : algorithm(withInputs.length > 0);
  const quantizedLayers = Object.fromEntries(
    layers.map(({ module, hasInputScale }) => [
      module,
      { quant_algo: algorithm(hasInputScale), group_size: 16 },
    ]),
  );
  const groups = isMixed
    ? [
        groupOf(true, modulesOf(withInputs)),
        groupOf(false, modulesOf(layers.filter((one) => !one.hasInputScale))),
      ]
    : [groupOf(withInputs.length > 0, ["Linear"])];
  const cache = cacheOf(sourceConfig);
  return {
    config: {
      config_groups: Object.fromEntries(groups.map((group, index) => [`group_${index}`, group])),
      ...(isMixed ? { quantized_layers: quantizedLayers } : {}),
      ignore: [...excluded],
      quant_algo: quantAlgo,
      ...(cache.scheme === undefined ? {} : { kv_cache_scheme: cache.scheme }),
      producer,
      quant_method: "modelopt",
    },
    file: {
      producer,
      quantization: {
        quant_algo: quantAlgo,
        kv_cache_quant_algo: cache.algorithm ?? null,
        ...(isMixed ? { quantized_layers: quantizedLayers } : { group_size: 16 }),
        exclude_modules: [...excluded],
      },
    },
  };
}

/** ModelOpt's name for NVFP4 weights without quantized activations, whose scales only calibration can tell. */
const WEIGHTS_ONLY = "W4A16_NVFP4";

function groupOf(hasInputScale: boolean, targets: readonly string[]): Json {
  const fp4 = { dynamic: false, num_bits: 4, type: "float", group_size: 16 };
  return { ...(hasInputScale ? { input_activations: fp4 } : {}), weights: fp4, targets };
}

function modulesOf(layers: WrittenModelOptConfig["layers"]): string[] {
  return layers.map(({ module }) => module).sort();
}

/** What a ModelOpt configuration says about the key-value cache, in the spellings of both files. */
function cacheOf(sourceConfig: unknown): { readonly scheme?: unknown; readonly algorithm?: unknown } {
  const config = objectOf(sourceConfig);
  if (config === undefined || !("quant_algo" in config)) return {};
  const scheme = config["kv_cache_scheme"] ?? undefined;
  const algorithm = config["kv_cache_quant_algo"] ?? (objectOf(scheme)?.["num_bits"] === 8 ? "FP8" : scheme);
  const fp8 = { dynamic: false, num_bits: 8, type: "float" };
  return { scheme: scheme ?? (algorithm === "FP8" ? fp8 : (algorithm ?? undefined)), algorithm };
}
