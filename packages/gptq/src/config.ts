import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import { namePattern, parseConfig, patternBudget } from "@requant/core/format";
import * as z from "zod/mini";

/**
 * How `qzeros` and `qweight` are stored: "gptq" (v1: zero point minus one), "gptq_v2" (as it is), "gptq_p" (v2 with bit
 * planes), "marlin" (tensors B and s, always symmetric).
 */
export type GptqCheckpointFormat = "gptq" | "gptq_v2" | "gptq_p" | "marlin";

/** The integer type of the words that codes are packed in. */
export type GptqPackDtype = "int32" | "int16" | "int8";

/** What a rule of `dynamic` changes for the modules that it names. */
export interface GptqOverride {
  readonly bits?: number | undefined;
  readonly groupSize?: number | undefined;
  readonly sym?: boolean | undefined;
  readonly descAct?: boolean | undefined;
}

/** One entry of `dynamic`, in the order of the file: the first that matches a module decides. */
export interface GptqRule {
  /** A regular expression that must match from the start of the module name, without the "+:" or "-:" before it. */
  readonly pattern: string;
  /** "leave": the module is not quantized and stored as plain `.weight`. */
  readonly action: "override" | "leave";
  readonly override: GptqOverride;
}

/**
 * What quantize_config.json, or `quantization_config` in config.json, claims. Where the tensors disagree, the tensors
 * decide.
 */
export interface GptqConfig {
  readonly bits: number;
  /** Columns that share a scale; −1: all of them. */
  readonly groupSize: number;
  readonly sym: boolean;
  readonly descAct: boolean;
  readonly staticGroups: boolean;
  readonly checkpointFormat: GptqCheckpointFormat;
  readonly packDtype: GptqPackDtype;
  /** True: lm_head is quantized too. */
  readonly lmHead: boolean;
  readonly dynamic: readonly GptqRule[];
  /** The tools that wrote the file, from `meta.quantizer`: "gptqmodel:7.3.4". Empty where unknown. */
  readonly quantizer: readonly string[];
  readonly trueSequential?: boolean | undefined;
  readonly dampPercent?: number | undefined;
  readonly actGroupAware?: boolean | undefined;
}

const flag = z.nullish(z.boolean());
/** A whole number; some tools write it as text. */
const whole = z.pipe(
  z.union([z.int(), z.string().check(z.regex(/^-?\d{1,6}$/))]),
  z.transform((value) => Number(value)),
);

const overrideSchema = z.looseObject({
  bits: z.nullish(whole),
  group_size: z.nullish(whole),
  sym: flag,
  desc_act: flag,
});

const configSchema = z.looseObject({
  quant_method: z.nullish(z.string()),
  method: z.nullish(z.string()),
  bits: whole,
  group_size: z.nullish(whole),
  sym: flag,
  desc_act: flag,
  static_groups: flag,
  true_sequential: flag,
  damp_percent: z.nullish(z.number()),
  checkpoint_format: z.nullish(z.string()),
  format: z.nullish(z.string()),
  is_marlin_format: flag,
  pack_dtype: z.nullish(z.string()),
  lm_head: flag,
  dynamic: z.nullish(z.record(z.string(), z.nullish(overrideSchema))),
  meta: z.nullish(
    z.looseObject({
      quantizer: z.nullish(z.union([z.string(), z.array(z.string())])),
      static_groups: flag,
      true_sequential: flag,
      damp_percent: z.nullish(z.number()),
      act_group_aware: flag,
    }),
  ),
});

const wrapperSchema = z.looseObject({ quantization_config: z.looseObject({}) });

/**
 * Reads a configuration of AutoGPTQ, GPTQModel or transformers: quantize_config.json, config.json, or the object under
 * its `quantization_config`. Keys that are missing in old files get the defaults of the tools of their time.
 * @throws FormatError when it is not a GPTQ configuration; UnsupportedError for an unknown `checkpoint_format`
 */
export function parseGptqConfig(json: unknown, place: ErrorPlace = {}): GptqConfig {
  const wrapper = wrapperSchema.safeParse(json);
  const claimed = wrapper.success ? wrapper.data.quantization_config : json;
  const config = parseConfig(configSchema, claimed, "a GPTQ configuration", place);
  const method = config.quant_method ?? config.method ?? "gptq";
  if (method !== "gptq" && method !== "marlin") {
    throw new FormatError(`The configuration says quant_method "${method}", not "gptq".`, place);
  }
  const { meta } = config;
  const bits = checkBits(config.bits, place);
  const quantizer = meta?.quantizer ?? [];
  return {
    bits,
    groupSize: checkGroupSize(config.group_size ?? -1, place),
    sym: config.sym ?? true,
    descAct: config.desc_act ?? false,
    staticGroups: config.static_groups ?? meta?.static_groups ?? false,
    checkpointFormat: checkpointFormat(
      config.checkpoint_format ??
        config.format ??
        (method === "marlin" || config.is_marlin_format ? "marlin" : "gptq"),
      place,
    ),
    packDtype: packDtype(config.pack_dtype ?? "int32", place),
    lmHead: config.lm_head ?? false,
    dynamic: Object.entries(config.dynamic ?? {}).map(([key, override]) => rule(key, override ?? {}, place)),
    quantizer: typeof quantizer === "string" ? [quantizer] : quantizer,
    trueSequential: config.true_sequential ?? meta?.true_sequential ?? undefined,
    dampPercent: config.damp_percent ?? meta?.damp_percent ?? undefined,
    actGroupAware: meta?.act_group_aware ?? undefined,
  };
}

/**
 * The object that belongs both into quantize_config.json and under `quantization_config` of config.json, with the keys
 * of GPTQModel 7 (which writes `method`/`format` next to the older `quant_method`/`checkpoint_format`, same values).
 */
export function serializeGptqConfig(config: GptqConfig): Record<string, unknown> {
  const dynamic = Object.fromEntries(
    config.dynamic.map(({ pattern, action, override }) => [
      action === "leave" ? `-:${pattern}` : pattern,
      withoutUndefined({
        bits: override.bits,
        group_size: override.groupSize,
        sym: override.sym,
        desc_act: override.descAct,
      }),
    ]),
  );
  return withoutUndefined({
    bits: config.bits,
    dynamic: config.dynamic.length > 0 ? dynamic : undefined,
    group_size: config.groupSize,
    desc_act: config.descAct,
    lm_head: config.lmHead,
    method: "gptq",
    quant_method: "gptq",
    format: config.checkpointFormat,
    checkpoint_format: config.checkpointFormat,
    pack_dtype: config.packDtype,
    meta: withoutUndefined({
      quantizer: config.quantizer,
      damp_percent: config.dampPercent,
      static_groups: config.staticGroups,
      true_sequential: config.trueSequential,
      act_group_aware: config.actGroupAware,
    }),
    sym: config.sym,
  });
}

const matchers = new WeakMap<readonly GptqRule[], readonly ((name: string) => boolean)[]>();

/** The rules, compiled: they are matched against each module of a model, and share one budget of time. */
function matchersOf(rules: readonly GptqRule[]): readonly ((name: string) => boolean)[] {
  const known = matchers.get(rules);
  if (known !== undefined) return known;
  const budget = patternBudget();
  const made = rules.map(({ pattern }) => wholeName(pattern) ?? namePattern(pattern, budget));
  matchers.set(rules, made);
  return made;
}

/** Letters, digits and escaped dots up to the end of the name. */
const WHOLE_NAME = /^(?:[\w-]|\\\.)+\$$/;

/** Files list thousands of experts by their whole names, which need no regular expression. */
function wholeName(pattern: string): ((name: string) => boolean) | undefined {
  if (!WHOLE_NAME.test(pattern)) return undefined;
  const wanted = pattern.slice(0, -1).replaceAll("\\.", ".");
  return (name) => name === wanted;
}

/** What the configuration claims for one module; undefined where it claims that the module is not quantized. */
export function gptqModuleConfig(config: GptqConfig, moduleName: string): GptqConfig | undefined {
  const matching = matchersOf(config.dynamic);
  for (const [index, { action, override }] of config.dynamic.entries()) {
    if (matching[index]?.(moduleName) !== true) continue;
    if (action === "leave") return undefined;
    return {
      ...config,
      bits: override.bits ?? config.bits,
      groupSize: override.groupSize ?? config.groupSize,
      sym: override.sym ?? config.sym,
      descAct: override.descAct ?? config.descAct,
    };
  }
  return config;
}

function checkBits(bits: number, place: ErrorPlace): number {
  if (bits >= 2 && bits <= 8) return bits;
  throw new FormatError(`The GPTQ configuration says ${bits} bits; 2 to 8 exist.`, place);
}

function checkGroupSize(groupSize: number, place: ErrorPlace): number {
  // some tools write 0 for one group of all columns
  if (groupSize === 0) return -1;
  if (groupSize > 0 || groupSize === -1) return groupSize;
  throw new FormatError(
    `The GPTQ configuration says a group size of ${groupSize}; it is a number of columns, or -1 for all.`,
    place,
  );
}

function checkpointFormat(name: string, place: ErrorPlace): GptqCheckpointFormat {
  switch (name) {
    case "gptq":
    case "gptq_v2":
    case "gptq_p":
    case "marlin":
      return name;
    default:
      throw new UnsupportedError(
        `GPTQ checkpoint format "${name}" is not supported; "gptq", "gptq_v2", "gptq_p" and "marlin" are.`,
        place,
      );
  }
}

function packDtype(name: string, place: ErrorPlace): GptqPackDtype {
  // transformers writes the name with "torch." in front
  const plain = name.replace(/^torch\./, "");
  if (plain === "int32" || plain === "int16" || plain === "int8") return plain;
  throw new UnsupportedError(
    `GPTQ pack_dtype "${name}" is not supported; "int32", "int16" and "int8" are.`,
    place,
  );
}

function rule(key: string, json: z.infer<typeof overrideSchema>, place: ErrorPlace): GptqRule {
  const pattern = key.replace(/^[+-]:/, "");
  namePattern(pattern, undefined, place);
  return {
    pattern,
    action: key.startsWith("-:") ? "leave" : "override",
    override: withoutUndefined({
      bits: json.bits === null || json.bits === undefined ? undefined : checkBits(json.bits, place),
      groupSize:
        json.group_size === null || json.group_size === undefined
          ? undefined
          : checkGroupSize(json.group_size, place),
      sym: json.sym ?? undefined,
      descAct: json.desc_act ?? undefined,
    }),
  };
}

/** JSON has no `undefined`, and these objects are compared and printed. */
function withoutUndefined<T extends Record<string, unknown>>(object: T): T {
  const copy = { ...object };
  for (const key of Object.keys(copy)) if (copy[key] === undefined) delete copy[key];
  return copy;
}
