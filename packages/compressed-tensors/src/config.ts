import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** The storage formats that are read, as the configuration names them. "dense": plain floats. */
export const COMPRESSION_FORMATS = [
  "pack-quantized",
  "int-quantized",
  "float-quantized",
  "naive-quantized",
  "nvfp4-pack-quantized",
  "mxfp4-pack-quantized",
  "mxfp8-quantized",
] as const;

/** How the weights of a group are stored. */
export type CompressionFormat = (typeof COMPRESSION_FORMATS)[number];

const STRATEGIES = ["tensor", "channel", "group", "block", "tensor_group"] as const;

/**
 * Which weights share a scale.
 * @useDeclaredType
 */
export type Strategy = (typeof STRATEGIES)[number];

/** How the weights of one group of modules are quantized. */
export interface CompressedTensorsGroup {
  /** Module classes ("Linear"), module names, or "re:" and a regular expression. */
  readonly targets: readonly string[];
  readonly format: CompressionFormat;
  readonly type: "int" | "float";
  readonly bits: number;
  readonly strategy: Strategy;
  /** Columns that share a scale; −1: all of them. */
  readonly groupSize: number;
  /** Rows and columns that share a scale; only with strategy "block". */
  readonly block?: readonly [rows: number, columns: number] | undefined;
  readonly symmetric: boolean;
  /** "group": the columns were sorted by activation before they were grouped, and `weight_g_idx` is stored. */
  readonly actorder: "group" | "weight" | undefined;
}

/** A group of modules that is quantized in a way that is not read, and why. */
export interface UnreadGroup {
  readonly targets: readonly string[];
  readonly error: UnsupportedError;
}

/** What config.json's `quantization_config` claims. The tensors have the last word. */
export interface CompressedTensorsConfig {
  readonly groups: readonly CompressedTensorsGroup[];
  /** Groups whose weights are not read, where others are. */
  readonly unread?: readonly UnreadGroup[] | undefined;
  /** Modules that are left in floats: names, or "re:" and a regular expression. */
  readonly ignore: readonly string[];
  /** The library's version, which decides how old files pack their words. */
  readonly version?: string | undefined;
}

const weightsSchema = z.looseObject({
  num_bits: z.nullish(z.int()),
  type: z.nullish(z.string()),
  symmetric: z.nullish(z.boolean()),
  strategy: z.nullish(z.string()),
  group_size: z.nullish(z.int()),
  block_structure: z.nullish(z.union([z.string(), z.array(z.int())])),
  actorder: z.nullish(z.union([z.string(), z.boolean()])),
});

const groupSchema = z.looseObject({
  targets: z.array(z.string()),
  weights: z.nullish(weightsSchema),
  format: z.nullish(z.string()),
});

const configSchema = z.looseObject({
  quant_method: z.nullish(z.string()),
  format: z.nullish(z.string()),
  config_groups: z.record(z.string(), groupSchema),
  ignore: z.nullish(z.array(z.string())),
  version: z.nullish(z.string()),
});

const wrapperSchema = z.looseObject({ quantization_config: z.looseObject({}) });
/** The key that older config.json files use. */
const oldWrapperSchema = z.looseObject({ compression_config: z.looseObject({}) });

/**
 * Reads config.json of a compressed-tensors model, or the object under its `quantization_config`.
 * @throws FormatError when it is no such configuration; UnsupportedError where no group's weights are read
 */
export function parseCompressedTensorsConfig(json: unknown, place: ErrorPlace = {}): CompressedTensorsConfig {
  const wrapper = wrapperSchema.safeParse(json);
  const oldWrapper = oldWrapperSchema.safeParse(json);
  const claimed = wrapper.success
    ? wrapper.data.quantization_config
    : oldWrapper.success
      ? oldWrapper.data.compression_config
      : json;
  const config = parseConfig(configSchema, claimed, "a compressed-tensors configuration", place);
  const { quant_method, format, config_groups, ignore, version } = config;
  if (quant_method && quant_method !== "compressed-tensors" && quant_method !== "sparseml") {
    throw new FormatError(
      `The configuration says quant_method "${quant_method}", not "compressed-tensors".`,
      place,
    );
  }
  const groups: CompressedTensorsGroup[] = [];
  const unread: UnreadGroup[] = [];
  const all = Object.entries(config_groups);
  // a group without weights quantizes activations or the key-value cache alone
  const quantizing = all.filter(([, { weights }]) => weights);
  const [bare] = all;
  if (quantizing.length === 0 && bare !== undefined) {
    throw new FormatError(`The group "${bare[0]}" of config_groups quantizes no weights.`, place);
  }
  for (const [name, group] of quantizing) {
    try {
      groups.push(parseGroup(name, group, format, place));
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      unread.push({ targets: group.targets, error });
    }
  }
  const [first] = unread;
  if (groups.length === 0 && first !== undefined) throw first.error;
  return {
    groups,
    ...(unread.length === 0 ? {} : { unread }),
    ignore: ignore ?? [],
    ...(version ? { version } : {}),
  };
}

type WeightsJson = z.infer<typeof weightsSchema>;

function parseGroup(
  name: string,
  { weights, targets, format: own }: z.infer<typeof groupSchema>,
  ofAll: string | null | undefined,
  place: ErrorPlace,
): CompressedTensorsGroup {
  const { num_bits, type = "int", symmetric, actorder, ...rest } = weights ?? {};
  if (type !== "int" && type !== "float") {
    throw new UnsupportedError(
      `The group "${name}" has weights of type "${type}"; "int" and "float" are supported.`,
      place,
    );
  }
  const bits = num_bits ?? 8;
  const widths = type === "int" ? [1, 2, 3, 4, 5, 6, 7, 8] : [4, 8];
  if (!widths.includes(bits)) {
    throw new UnsupportedError(
      `The group "${name}" has ${bits}-bit ${type} weights; ${type === "int" ? "1 to 8" : "4 and 8"} bits are supported.`,
      place,
    );
  }
  // "mixed-precision" means that each group has a format of its own
  const stated = own ?? (ofAll === "mixed-precision" ? undefined : ofAll);
  const format = stated ?? (type === "int" ? "pack-quantized" : "float-quantized");
  const known = COMPRESSION_FORMATS.find((one) => one === format);
  if (known === undefined) {
    throw new UnsupportedError(
      `The group "${name}" has format "${format}" and ${type} weights; the formats ${COMPRESSION_FORMATS.join(", ")} are supported.`,
      place,
    );
  }
  return {
    targets,
    format: known,
    type,
    bits,
    ...parseGrouping(name, rest, place),
    symmetric: symmetric ?? true,
    actorder: parseActorder(actorder),
  };
}

function parseGrouping(
  name: string,
  { strategy: stated, group_size, block_structure }: WeightsJson,
  place: ErrorPlace,
): Pick<CompressedTensorsGroup, "strategy" | "groupSize" | "block"> {
  const size = group_size ?? -1;
  const word = stated ?? (block_structure ? "block" : size > 0 ? "group" : "channel");
  const strategy = STRATEGIES.find((one) => one === word);
  if (strategy === undefined) {
    throw new UnsupportedError(
      `The group "${name}" has strategy "${word}"; ${STRATEGIES.join(", ")} are supported.`,
      place,
    );
  }
  if (strategy === "block") {
    const block = parseBlock(block_structure);
    if (block !== undefined) return { strategy, groupSize: -1, block };
    throw new FormatError(
      `The group "${name}" has strategy "block" and the block_structure ${JSON.stringify(block_structure ?? null)}; two positive numbers, such as [128, 128], were expected.`,
      place,
    );
  }
  const isGrouped = strategy === "group" || strategy === "tensor_group";
  if (isGrouped && size <= 0) {
    throw new FormatError(
      `The group "${name}" has strategy "${strategy}" and a group size of ${size}.`,
      place,
    );
  }
  return { strategy, groupSize: isGrouped ? size : -1 };
}

/** [128, 128]; in old files "128x128". */
function parseBlock(
  written: string | readonly number[] | null | undefined,
): readonly [rows: number, columns: number] | undefined {
  const sizes = typeof written === "string" ? written.split("x").map(Number) : written;
  const [rows, columns, ...others] = sizes ?? [];
  const isSize = (size: number | undefined): size is number =>
    size !== undefined && Number.isSafeInteger(size) && size > 0;
  return isSize(rows) && isSize(columns) && others.length === 0 ? [rows, columns] : undefined;
}

function parseActorder(value: string | boolean | null | undefined): "group" | "weight" | undefined {
  const name = typeof value === "string" ? value.toLowerCase() : value;
  if (name === true || name === "group" || name === "dynamic") return "group";
  return name === "weight" || name === "static" ? "weight" : undefined;
}
