/** What a directory's configuration files say about packed weights: where it stands, by which method, and what it changes. */
import type { Finding } from "@requant/core";
import { type ConfigFile, foreignMethods, type QuantMethod, type WeightFormat } from "@requant/core/format";
import { quoted } from "@requant/core/text";

/** @inline */
type Json = Readonly<Record<string, unknown>>;

/** One such configuration, before anyone has interpreted it. */
export interface QuantizationConfig {
  /** `quant_method`, or what the file's own name or keys say. */
  readonly method: string | undefined;
  readonly json: Json;
  /** Where it stands, for messages. */
  readonly path: string;
  /** True where plain floats are the weights themselves whatever this configuration says. */
  readonly leavesFloats: boolean;
  /** True where it asks for quantization when the model is loaded. */
  readonly isForLoading: boolean;
  /** The transform that a runtime applies while it computes, so that the stored weights alone are not the model's. */
  readonly runtimeTransform: string | undefined;
  /** What stands in place of a configuration, where that is no object: nothing is known from it. */
  readonly malformed?: string | undefined;
}

/** The configuration of a source, and whether a reader has used it: only then may an output leave it out. */
export interface SourceQuantization extends QuantizationConfig {
  readonly used: boolean;
}

/**
 * All methods that are known: those of the formats, and those that no format reads. The list of formats has the special
 * before the general; the files and keys of the general ones are the common ones, and come first here.
 */
export function quantMethods(formats: readonly WeightFormat[]): QuantMethod[] {
  return [...formats.toReversed().flatMap(({ methods }) => methods), ...foreignMethods];
}

/** A file besides config.json, and the method of its configuration where no key names it. */
export interface QuantizationFile extends ConfigFile {
  readonly method: string | undefined;
}

/** Files besides config.json that hold one, in the order in which they are looked for. */
export function quantizationFiles(methods: readonly QuantMethod[]): QuantizationFile[] {
  const files = new Map<string, QuantizationFile>();
  for (const { names, files: own = [] } of methods) {
    for (const file of own) {
      if (files.has(file.name)) continue;
      files.set(file.name, { ...file, method: file.tellsMethod === true ? names[0] : undefined });
    }
  }
  return [...files.values()];
}

const MAIN_KEY = "quantization_config";

function objectOf(value: unknown): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length === 0 ? undefined : (value as Json);
}

/** An object of config.json that holds a quantization configuration. */
export interface QuantizationPlace {
  /** config.json itself, or an object inside it. */
  readonly owner: Json;
  /** The key in the owner. */
  readonly key: string;
  /** Of config.json: the key of an owner inside it. */
  readonly outerKey: string | undefined;
  readonly json: Json;
  readonly method: string | undefined;
}

/** All of config.json: at its top, and in the configs of the models that a multimodal one wraps. The first is used. */
export function quantizationPlaces(config: Json, methods: readonly QuantMethod[]): QuantizationPlace[] {
  const keys = [...new Set([MAIN_KEY, ...methods.flatMap(({ sections }) => sections ?? [])])];
  const inner = Object.entries(config).flatMap(([key, value]): [string, Json][] => {
    const object = key.endsWith("_config") && !keys.includes(key) ? objectOf(value) : undefined;
    return object === undefined ? [] : [[key, object]];
  });
  return [[undefined, config] as const, ...inner].flatMap(([outerKey, owner]) => {
    const places = keys.flatMap((key): QuantizationPlace[] => {
      const json = objectOf(owner[key]);
      if (json === undefined) return [];
      const method = methodOf(json, config, methods);
      // other settings of an inner model may have such a name
      if (outerKey !== undefined && key !== MAIN_KEY && method === undefined) return [];
      return [{ owner, key, outerKey, json, method }];
    });
    return inOrderOfUse(places);
  });
}

/** A method that names itself nowhere and writes its settings twice reads the section of its own. */
function inOrderOfUse(places: readonly QuantizationPlace[]): readonly QuantizationPlace[] {
  const [main] = places;
  if (main === undefined || main.key !== MAIN_KEY || "quant_method" in main.json) return places;
  const own = places.find(({ key, method }) => key !== MAIN_KEY && method === main.method);
  return own === undefined ? places : [own, ...places.filter((place) => place !== own)];
}

/** All that config.json holds: what is no object first, since it makes all others doubtful, then in the order of use. */
export function quantizationsInConfig(
  config: Json,
  path: string,
  methods: readonly QuantMethod[],
): QuantizationConfig[] {
  const place = (outerKey: string | undefined, key = MAIN_KEY): string => {
    const keys = [outerKey, key === MAIN_KEY ? undefined : key].filter((one) => one !== undefined);
    return keys.length === 0 ? path : `${path} (${keys.join(".")})`;
  };
  return [
    ...malformedPlaces(config).map(({ outerKey, malformed }) => ({
      ...configOf({}, place(outerKey), undefined, methods),
      malformed,
    })),
    ...quantizationPlaces(config, methods).map(({ json, outerKey, key, method }) =>
      configOf(json, place(outerKey, key), method, methods),
    ),
  ];
}

/** Where `quantization_config` is there and no object: at the top of config.json, or in the config of an inner model. */
function malformedPlaces(
  config: Json,
): { readonly outerKey: string | undefined; readonly malformed: string }[] {
  const owners = [
    [undefined, config] as const,
    ...Object.entries(config)
      .filter(([key]) => key.endsWith("_config") && key !== MAIN_KEY)
      .map(([key, value]) => [key, objectOf(value)] as const),
  ];
  return owners.flatMap(([outerKey, owner]) => {
    const value = owner?.[MAIN_KEY];
    const isMalformed =
      value !== undefined && value !== null && (typeof value !== "object" || Array.isArray(value));
    return owner !== undefined && isMalformed
      ? [{ outerKey, malformed: `the ${MAIN_KEY} is ${quoted(value)}` }]
      : [];
  });
}

/** Of a file besides config.json. */
export function quantizationInFile(
  json: Json,
  { section, method }: QuantizationFile,
  path: string,
  methods: readonly QuantMethod[],
): QuantizationConfig {
  const own = section === undefined ? json : (objectOf(json[section]) ?? json);
  return configOf(own, path, methodOf(own, {}, methods) ?? method, methods);
}

function configOf(
  json: Json,
  path: string,
  method: string | undefined,
  methods: readonly QuantMethod[],
): QuantizationConfig {
  const name = method?.toLowerCase() ?? "";
  const transforms = methods.map((one) => one.runtimeTransform?.(json));
  return {
    method,
    json,
    path,
    leavesFloats: methods.some(({ names, leavesFloats }) => leavesFloats === true && names.includes(name)),
    isForLoading: methods.some((one) => one.quantizesAtLoading?.(json) === true),
    runtimeTransform:
      OTHER_TRANSFORMS.find((key) => objectOf(json[key]) !== undefined) ??
      transforms.find((transform) => transform !== undefined),
  };
}

/** Keys for rotations of weights and activations; no rule of theirs tells what is folded into the weights. */
const OTHER_TRANSFORMS: readonly string[] = ["rotation_config", "hadamard_config"];

function methodOf(json: Json, model: Json, methods: readonly QuantMethod[]): string | undefined {
  const method = json["quant_method"] ?? json["method"];
  if (typeof method === "string") return method;
  return methods.find((one) => one.isSign?.(json, model) === true)?.names[0];
}

/** A sentence for each configuration that contradicts the one that is used. */
export function disagreements(
  used: QuantizationConfig,
  others: readonly QuantizationConfig[],
  methods: readonly QuantMethod[],
): Finding[] {
  const deciding = decidingKeys(methods);
  return others.flatMap((other): Finding[] => {
    const differing = deciding
      .filter((spellings) => {
        const [a, b] = [settingOf(used, spellings), settingOf(other, spellings)];
        return a !== undefined && b !== undefined && a !== b;
      })
      .map(([key]) => key);
    if (differing.length === 0) return [];
    return [
      {
        code: "config-disagrees",
        severity: "warning",
        message: `${used.path} and ${other.path} disagree about ${differing.join(", ")}; ${used.path} is used.`,
      },
    ];
  });
}

/** Keys that decide values, each with its older spellings. */
function decidingKeys(methods: readonly QuantMethod[]): string[][] {
  const spellings = new Map<string, Set<string>>([["quant_method", new Set(["quant_method", "method"])]]);
  for (const [key = "", ...older] of methods.flatMap(({ decidingKeys: keys }) => keys ?? [])) {
    const known = spellings.get(key) ?? new Set([key]);
    spellings.set(key, known);
    for (const one of older) known.add(one);
  }
  return [...spellings.values()].map((keys) => [...keys]);
}

function settingOf({ json, method }: QuantizationConfig, spellings: readonly string[]): string | undefined {
  const stated = spellings.map((key) => json[key]).find((one) => one !== undefined && one !== null);
  // a file's own name may tell the method
  const value = stated ?? (spellings.includes("quant_method") ? method : undefined);
  return value === undefined || typeof value === "object" ? undefined : String(value).toLowerCase();
}

/** Keys that say more about how a method stores weights: "NVFP4", "int-quantized". */
const DETAILS: readonly string[] = ["quant_algo", "packing_format", "format"];
const LONGEST_NAME = 60;

/** The method as a message names it: "modelopt (NVFP4)". Undefined where the configuration names none. */
export function methodName(config: QuantizationConfig | undefined): string | undefined {
  if (config?.method === undefined) return undefined;
  const detail = DETAILS.map((key) => config.json[key]).find((value) => typeof value === "string");
  const name = detail === undefined ? config.method : `${config.method} (${String(detail)})`;
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}
