import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** The four packings of AutoAWQ, and llm-awq's (packed as gemv_fast, with another tensor name). */
export type AwqVersion = "gemm" | "gemv" | "gemv_fast" | "marlin" | "llm-awq";

/**
 * What config.json's `quantization_config`, or an old quant_config.json, claims. Where the tensors disagree, the tensors
 * decide.
 */
export interface AwqConfig {
  readonly bits: number;
  /** Columns that share a scale; −1: all of them. */
  readonly groupSize: number;
  /** True: asymmetric, with zero points. */
  readonly zeroPoint: boolean;
  readonly version: AwqVersion;
  /** Parts of module names that are left in floats. */
  readonly modulesToNotConvert: readonly string[];
}

/** A whole number; some tools write it as text. */
const whole = z.pipe(
  z.union([z.int(), z.string().check(z.regex(/^-?\d{1,6}$/))]),
  z.transform((value) => Number(value)),
);

const configSchema = z.looseObject({
  quant_method: z.nullish(z.string()),
  bits: z.nullish(whole),
  w_bit: z.nullish(whole),
  group_size: z.nullish(whole),
  q_group_size: z.nullish(whole),
  zero_point: z.nullish(z.boolean()),
  sym: z.nullish(z.boolean()),
  version: z.nullish(z.string()),
  format: z.nullish(z.string()),
  checkpoint_format: z.nullish(z.string()),
  backend: z.nullish(z.string()),
  modules_to_not_convert: z.nullish(z.array(z.string())),
});

const wrapperSchema = z.looseObject({ quantization_config: z.looseObject({}) });

/**
 * Reads a configuration of AutoAWQ, llm-awq, GPTQModel or transformers: config.json, the object under its
 * `quantization_config`, or the old quant_config.json (`w_bit`, `q_group_size`, version in capitals).
 * @throws FormatError when it is not an AWQ configuration; UnsupportedError for another bit width or packing
 */
export function parseAwqConfig(json: unknown, place: ErrorPlace = {}): AwqConfig {
  const wrapper = wrapperSchema.safeParse(json);
  const claimed = wrapper.success ? wrapper.data.quantization_config : json;
  const config = parseConfig(configSchema, claimed, "an AWQ configuration", place);
  const method = config.quant_method ?? "awq";
  if (method !== "awq") {
    throw new FormatError(`The configuration says quant_method "${method}", not "awq".`, place);
  }
  const bits = config.bits ?? config.w_bit;
  if (bits === null || bits === undefined) {
    throw new FormatError("The AWQ configuration says no bit width (`bits` or `w_bit`).", place);
  }
  if (bits !== 4) {
    throw new UnsupportedError(`AWQ with ${bits} bits is not supported: every AWQ file has 4.`, place);
  }
  // some tools write 0 for one group of all columns
  const groupSize = (config.group_size ?? config.q_group_size ?? 128) || -1;
  if (!(groupSize > 0 || groupSize === -1)) {
    throw new FormatError(
      `The AWQ configuration says a group size of ${groupSize}; it is a number of columns, or -1 for all.`,
      place,
    );
  }
  const version = awqVersion(config, place);
  return {
    bits,
    groupSize,
    // GPTQModel writes `sym` where AutoAWQ writes `zero_point`
    zeroPoint: config.zero_point ?? (typeof config.sym === "boolean" ? !config.sym : version !== "marlin"),
    version,
    modulesToNotConvert: config.modules_to_not_convert ?? [],
  };
}

/** The object for `quantization_config` of config.json, with the keys of AutoAWQ (and `backend` for llm-awq). */
export function serializeAwqConfig(config: AwqConfig): Record<string, unknown> {
  const { modulesToNotConvert } = config;
  return {
    quant_method: "awq",
    zero_point: config.zeroPoint,
    group_size: config.groupSize,
    bits: config.bits,
    // llm-awq packs as gemv_fast; transformers tells the two apart by `backend`
    version: config.version === "llm-awq" ? "gemv_fast" : config.version,
    ...(config.version === "llm-awq" ? { backend: "llm-awq" } : {}),
    modules_to_not_convert: modulesToNotConvert.length > 0 ? [...modulesToNotConvert] : null,
  };
}

/** True when the configuration claims that this module is quantized: no entry is a part of its name. */
export function awqQuantizesModule(config: AwqConfig, moduleName: string): boolean {
  return !config.modulesToNotConvert.some((part) => moduleName.includes(part));
}

function awqVersion(config: z.infer<typeof configSchema>, place: ErrorPlace): AwqVersion {
  if (config.backend === "llm-awq") return "llm-awq";
  const name = (config.version ?? config.checkpoint_format ?? config.format ?? "gemm").toLowerCase();
  switch (name) {
    case "gemm":
    case "gemv":
    case "gemv_fast":
    case "marlin":
    case "llm-awq":
      return name;
    // run-time choices of transformers and vLLM over gemm files
    case "exllama":
    case "ipex":
      return "gemm";
    default:
      throw new UnsupportedError(
        `AWQ version "${name}" is not supported; gemm, gemv, gemv_fast, marlin and llm-awq are.`,
        place,
      );
  }
}
