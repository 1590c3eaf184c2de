/** What a directory's configuration files say about packed weights: where it stands, by which method, and what it changes. */

import type { Finding } from "@requant/core";

type Json = Readonly<Record<string, unknown>>;

/** One such configuration, before anyone has interpreted it. */
export interface QuantizationConfig {
  /** `quant_method`, or what the file's own name or keys say. */
  readonly method: string | undefined;
  readonly json: Json;
  /** Where it stands, for messages. */
  readonly path: string;
}

/** The configuration of a source, and whether a reader has used it: only then may an output leave it out. */
export interface SourceQuantization extends QuantizationConfig {
  readonly used: boolean;
}

/** Files besides config.json that hold one, in the order in which they are looked for, and the method of those that name none. */
export const QUANTIZATION_FILES: readonly (readonly [file: string, method: string | undefined])[] = [
  // old files of AutoGPTQ and AutoAWQ say no method
  ["quantize_config.json", "gptq"],
  ["quant_config.json", "awq"],
  // AutoRound
  ["quantization_config.json", undefined],
  // NVIDIA's ModelOpt
  ["hf_quant_config.json", "modelopt"],
];

/** The keys under which config.json, or an object inside it, holds one. */
export const QUANTIZATION_KEYS: readonly string[] = ["quantization_config", "compression_config"];

function objectOf(value: unknown): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length === 0 ? undefined : (value as Json);
}

/** Of config.json: at its top, or in the config of the text model that a multimodal one wraps. */
export function quantizationInConfig(config: Json | undefined, path: string): QuantizationConfig | undefined {
  const nested = Object.entries(config ?? {}).flatMap(([key, value]): [string, Json][] => {
    const object = key.endsWith("_config") ? objectOf(value) : undefined;
    return object === undefined || QUANTIZATION_KEYS.includes(key) ? [] : [[`${path} (${key})`, object]];
  });
  for (const [place, owner] of [[path, config ?? {}] as const, ...nested]) {
    for (const key of QUANTIZATION_KEYS) {
      const json = objectOf(owner[key]);
      if (json !== undefined) return { method: methodOf(json) ?? mlxMethod(config), json, path: place };
    }
  }
  const mlx = objectOf(config?.["quantization"]);
  return mlx === undefined ? undefined : { method: methodOf(mlx) ?? mlxMethod(config), json: mlx, path };
}

/** MLX names no method: it writes the same settings under `quantization`, some versions under that key alone (mlx-lm, utils.py). */
function mlxMethod(config: Json | undefined): string | undefined {
  const settings = objectOf(config?.["quantization"]);
  return settings !== undefined && "bits" in settings && "group_size" in settings ? "mlx" : undefined;
}

/** Of a file besides config.json. ModelOpt keeps its settings one level down. */
export function quantizationInFile(json: Json, path: string, method: string | undefined): QuantizationConfig {
  const own = objectOf(json["quantization"]) ?? json;
  return { method: methodOf(own) ?? method, json: own, path };
}

/** What tells the method where no key names it. */
const SIGNS: readonly (readonly [method: string, isSign: (json: Json) => boolean])[] = [
  ["bitsandbytes", (json) => json["load_in_4bit"] === true || json["load_in_8bit"] === true],
  ["compressed-tensors", (json) => "config_groups" in json && !("quant_algo" in json)],
  ["modelopt", (json) => "quant_algo" in json],
  ["auto-round", (json) => "packing_format" in json || "autoround_version" in json],
];

function methodOf(json: Json): string | undefined {
  const method = json["quant_method"] ?? json["method"];
  if (typeof method === "string") return method;
  return SIGNS.find(([, isSign]) => isSign(json))?.[0];
}

/** Keys that decide values, with their older spellings. */
const DECIDING: readonly (readonly string[])[] = [
  ["quant_method", "method"],
  ["bits", "w_bit"],
  ["group_size", "q_group_size"],
  ["sym"],
  ["zero_point"],
  ["desc_act"],
  ["checkpoint_format", "format"],
  ["packing_format"],
  ["pack_dtype"],
  ["quant_algo"],
];

/** A sentence for each configuration that contradicts the one that is used. */
export function disagreements(used: QuantizationConfig, others: readonly QuantizationConfig[]): Finding[] {
  return others.flatMap((other): Finding[] => {
    const differing = DECIDING.filter((spellings) => {
      const [a, b] = [settingOf(used.json, spellings), settingOf(other.json, spellings)];
      return a !== undefined && b !== undefined && a !== b;
    }).map(([key]) => key);
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

function settingOf(json: Json, spellings: readonly string[]): string | undefined {
  const value = spellings.map((key) => json[key]).find((one) => one !== undefined && one !== null);
  return value === undefined || typeof value === "object" ? undefined : String(value).toLowerCase();
}

/** Keys that say more about how a method stores weights: "NVFP4" of ModelOpt, "int-quantized" of compressed-tensors. */
const DETAILS: readonly string[] = ["quant_algo", "packing_format", "format"];
const LONGEST_NAME = 60;

/** The method as a message names it: "compressed-tensors (int-quantized)". Undefined where the configuration names none. */
export function methodName(config: QuantizationConfig | undefined): string | undefined {
  if (config?.method === undefined) return undefined;
  const detail = DETAILS.map((key) => config.json[key]).find((value) => typeof value === "string");
  const name = detail === undefined ? config.method : `${config.method} (${String(detail)})`;
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}

/**
 * Methods that never store a packed weight as plain floats. Where all weights are plain floats, nothing is packed: the
 * model was dequantized, or is to be quantized when it is loaded. Methods that are not here (BitNet, say) may compute with
 * other values than those that are stored.
 */
const FLOATS_ARE_FLOATS: ReadonlySet<string> = new Set([
  "gptq",
  "marlin",
  "awq",
  "exl2",
  "exl3",
  "compressed-tensors",
  "sparseml",
  "auto-round",
  "intel/auto-round",
  "bitsandbytes",
  "fp8",
  "fbgemm_fp8",
  "mxfp4",
  "modelopt",
  "mlx",
  "hqq",
  "quanto",
  "eetq",
  "torchao",
  "aqlm",
  "vptq",
  "spqr",
  "higgs",
]);

/** True where plain floats are the weights themselves whatever this configuration says. */
export function leavesFloats({ method }: QuantizationConfig): boolean {
  return method !== undefined && FLOATS_ARE_FLOATS.has(method.toLowerCase());
}

/** Keys for rotations of weights and activations; other tools' keys have no rule that tells what is folded in. */
const OTHER_TRANSFORMS: readonly string[] = ["rotation_config", "hadamard_config"];

/**
 * The transform that a runtime applies while it computes, so that the stored weights alone are not the model's: of
 * compressed-tensors every one that is not folded into a weight (compressed-tensors, transform/transform_args.py,
 * `TransformLocation`: weight_input and weight_output are).
 */
export function runtimeTransform({ json }: QuantizationConfig): string | undefined {
  const other = OTHER_TRANSFORMS.find((key) => objectOf(json[key]) !== undefined);
  if (other !== undefined) return other;
  const transforms = objectOf(json["transform_config"]);
  if (transforms === undefined) return undefined;
  const groups = Object.entries(objectOf(transforms["config_groups"]) ?? {});
  const locations = groups.flatMap(([name, group]) => {
    const apply = objectOf(group)?.["apply"];
    return Array.isArray(apply)
      ? apply.map((one) => [name, String(objectOf(one)?.["location"])] as const)
      : [[name, "unknown"] as const];
  });
  if (locations.length === 0)
    return groups.length === 0 && "config_groups" in transforms ? undefined : "transform_config";
  const online = locations.find(([, location]) => !location.startsWith("weight_"));
  return online === undefined ? undefined : `transform_config "${online[0]}" at "${online[1]}"`;
}
