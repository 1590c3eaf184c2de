import { type ErrorPlace, FormatError, misfitOf, UnsupportedError } from "@requant/core";
import * as z from "zod/mini";

/** How the weights of one group of modules are quantized. */
export interface CompressedTensorsGroup {
  /** Module classes ("Linear"), module names, or "re:" and a regular expression. */
  readonly targets: readonly string[];
  readonly bits: number;
  /** Columns that share a scale; −1: all of them (strategy "channel"). */
  readonly groupSize: number;
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
  readonly version?: string | undefined;
}

const weightsSchema = z.looseObject({
  num_bits: z.nullish(z.int()),
  type: z.nullish(z.string()),
  symmetric: z.nullish(z.boolean()),
  strategy: z.nullish(z.string()),
  group_size: z.nullish(z.int()),
  actorder: z.nullish(z.union([z.string(), z.boolean()])),
});

const groupSchema = z.looseObject({
  targets: z.array(z.string()),
  weights: z.nullish(weightsSchema),
  input_activations: z.nullish(z.looseObject({})),
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
 * @throws FormatError when it is no such configuration; UnsupportedError where no group is pack-quantized
 */
export function parseCompressedTensorsConfig(json: unknown, place: ErrorPlace = {}): CompressedTensorsConfig {
  const wrapper = wrapperSchema.safeParse(json);
  const oldWrapper = oldWrapperSchema.safeParse(json);
  const claimed = wrapper.success
    ? wrapper.data.quantization_config
    : oldWrapper.success
      ? oldWrapper.data.compression_config
      : json;
  const parsed = configSchema.safeParse(claimed);
  if (!parsed.success) {
    throw new FormatError(
      `This is not a compressed-tensors configuration: ${misfitOf(parsed.error.issues, claimed)}.`,
      place,
    );
  }
  const { quant_method, format, config_groups, ignore, version } = parsed.data;
  if (quant_method && quant_method !== "compressed-tensors" && quant_method !== "sparseml") {
    throw new FormatError(
      `The configuration says quant_method "${quant_method}", not "compressed-tensors".`,
      place,
    );
  }
  const groups: CompressedTensorsGroup[] = [];
  const unread: UnreadGroup[] = [];
  for (const [name, group] of Object.entries(config_groups)) {
    try {
      groups.push(parseGroup(name, group, group.format ?? format ?? "pack-quantized", place));
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

/** The object for `quantization_config` of config.json, with the keys of llm-compressor. */
export function serializeCompressedTensorsConfig(config: CompressedTensorsConfig): Record<string, unknown> {
  return {
    config_groups: Object.fromEntries(
      config.groups.map((group, index) => [
        `group_${index}`,
        {
          input_activations: null,
          output_activations: null,
          targets: [...group.targets],
          weights: {
            actorder: group.actorder ?? null,
            block_structure: null,
            dynamic: false,
            group_size: group.groupSize === -1 ? null : group.groupSize,
            num_bits: group.bits,
            observer: "minmax",
            observer_kwargs: {},
            strategy: group.groupSize === -1 ? "channel" : "group",
            symmetric: group.symmetric,
            type: "int",
          },
        },
      ]),
    ),
    format: "pack-quantized",
    global_compression_ratio: null,
    ignore: [...config.ignore],
    kv_cache_scheme: null,
    quant_method: "compressed-tensors",
    quantization_status: "compressed",
    ...(config.version === undefined ? {} : { version: config.version }),
  };
}

function parseGroup(
  name: string,
  group: z.infer<typeof groupSchema>,
  format: string,
  place: ErrorPlace,
): CompressedTensorsGroup {
  const { weights, input_activations, targets } = group;
  if (!weights) throw new FormatError(`The group "${name}" of config_groups quantizes no weights.`, place);
  const type = weights.type ?? "int";
  if (format !== "pack-quantized" || type !== "int" || input_activations) {
    throw new UnsupportedError(
      `The group "${name}" has format "${format}" and ${type} weights${
        input_activations ? " with quantized activations" : ""
      }; integer weights in format "pack-quantized" are supported.`,
      place,
    );
  }
  const bits = weights.num_bits ?? 8;
  if (!(bits >= 2 && bits <= 8)) {
    throw new UnsupportedError(`The group "${name}" has ${bits}-bit weights; 2 to 8 are supported.`, place);
  }
  const size = weights.group_size ?? -1;
  const strategy = weights.strategy ?? (size > 0 ? "group" : "channel");
  if (strategy !== "group" && strategy !== "channel") {
    throw new UnsupportedError(
      `The group "${name}" has strategy "${strategy}"; "group" and "channel" are supported.`,
      place,
    );
  }
  if (strategy === "group" && size <= 0) {
    throw new FormatError(`The group "${name}" has strategy "group" and a group size of ${size}.`, place);
  }
  return {
    targets,
    bits,
    groupSize: strategy === "channel" ? -1 : size,
    symmetric: weights.symmetric ?? true,
    actorder: actorder(weights.actorder),
  };
}

function actorder(value: string | boolean | null | undefined): "group" | "weight" | undefined {
  const name = typeof value === "string" ? value.toLowerCase() : value;
  if (name === true || name === "group" || name === "dynamic") return "group";
  return name === "weight" || name === "static" ? "weight" : undefined;
}
