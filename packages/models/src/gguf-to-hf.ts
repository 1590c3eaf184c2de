/**
 * A GGUF as a Hugging Face directory: side files and a plan for every tensor. Facts that GGUF cannot hold are assumed and
 * reported.
 */
import { type Finding, FormatError, type Metadata, type MetadataValue } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { Architecture, ConfigDraft } from "./architectures/architecture.ts";
import { architectureOfGguf } from "./architectures/index.ts";
import { poolingFiles } from "./architectures/pooling.ts";
import { resolveConfig } from "./config.ts";
import { samplingKeys } from "./general/general-metadata.ts";
import { field, isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { numberOf, shortestFloat, stringOf } from "./metadata-values.ts";
import { note } from "./note.ts";
import { type LeftOut, type NamedTensor, planHfTensors } from "./plan-tensors.ts";
import { refuseImpossibleMetadata } from "./plausible.ts";
import { ropeTensors, unheldRopeTensors } from "./rope-factors.ts";
import { type HfTokenizer, tokenizerFiles } from "./tokenizer/to-hf.ts";
import type { WeightPlan } from "./weight-plan.ts";

/** The contents of a GGUF that a Hugging Face directory is made from. */
export interface GgufContent {
  readonly metadata: Metadata;
  readonly tensors: readonly (NamedTensor & { readonly encoding?: string })[];
  /**
   * Values of the tensors named by {@link configTensors}: rope scaling is read from them. Required, so that a caller
   * cannot forget them; undefined where they cannot be read; `findings` then names what is missing.
   */
  readonly smallTensors: ReadonlyMap<string, ArrayLike<number>> | undefined;
}

/** Options of `ggufToHf`. */
export interface GgufToHfOptions {
  /** The type of the checkpoint's weights: torch_dtype of config.json. */
  readonly dtype: "F32" | "F16" | "BF16";
}

/** A Hugging Face directory that can be written: files, and where each tensor comes from. */
export interface HfPlan {
  readonly architecture: string;
  /** Contents by name; JSON already as text. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** By name. */
  readonly tensors: readonly WeightPlan[];
  readonly leftOut: readonly LeftOut[];
  /** Facts that the GGUF does not hold, with the assumed value. */
  readonly findings: readonly Finding[];
}

/** Small F32 tensors that config.json is read from. */
export const configTensors: readonly string[] = ropeTensors;

const torchTypes = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** Rope settings as every version of transformers reads them; empty where each layer type has its own. */
export function ropeSettings(rope: JsonObject): readonly (readonly [string, JsonValue])[] {
  if (Object.values(rope).some(isJsonObject)) return [];
  const { rope_theta: theta, rope_type: type = "default", partial_rotary_factor: partial, ...rest } = rope;
  const scaled = type !== "default" || Object.keys(rest).length > 0;
  return [
    ...(theta === undefined ? [] : [["rope_theta", theta] as const]),
    ...(partial === undefined ? [] : [["partial_rotary_factor", partial] as const]),
    ["rope_scaling", scaled ? { ...rest, rope_type: type } : null],
  ];
}

function writeRope(config: Map<string, JsonValue>, typeKey: "type" | "rope_type"): void {
  const rope = config.get("rope_parameters");
  if (!isJsonObject(rope) || Object.values(rope).some(isJsonObject)) return;
  config.delete("rope_parameters");
  for (const [key, value] of ropeSettings(rope)) {
    const { rope_type: type, ...rest } = isJsonObject(value) ? value : {};
    config.set(key, type === undefined ? value : { ...rest, [typeKey]: type });
  }
}

function draftConfig(
  architecture: Architecture,
  gguf: GgufContent,
  tokenizer: HfTokenizer,
  findings: Finding[],
): Map<string, JsonValue> {
  const { metadata } = gguf;
  const values = new Map<string, JsonValue>();
  const nameOf = (key: string): string => key.replace(/^~/, architecture.name);
  const given = new Set<string>();
  const shapes = new Map(gguf.tensors.map(({ name, shape }) => [name, shape]));
  const draft: ConfigDraft = {
    values,
    defaults: architecture.defaults,
    spellings: architecture.spellings ?? [],
    metadata,
    parameter: (key) => metadata.get(nameOf(key)),
    ggufNames: new Set(shapes.keys()),
    shapeOf: (name) => shapes.get(name),
    assume(key, value, reason) {
      given.add(key);
      findings.push(assumed(key, `${key} = ${quoted(value)}: ${reason}`));
    },
  };
  for (const rule of [...(architecture.earlyParameters ?? []), ...architecture.parameters]) {
    const key = nameOf(rule.key);
    const value: MetadataValue | undefined = metadata.get(key);
    if (value !== undefined) rule.toHf?.(value, draft);
  }
  values.set("tie_word_embeddings", !draft.ggufNames.has("output.weight"));
  if (tokenizer.tokenCount > 0 && !values.has("vocab_size")) values.set("vocab_size", tokenizer.tokenCount);
  for (const role of ["bos", "eos", "pad"]) values.set(`${role}_token_id`, tokenizer.ids.get(role) ?? null);
  for (const [role, id] of tokenizer.ids)
    if (!["bos", "eos", "pad"].includes(role)) values.set(`${role}_token_id`, id);
  for (const extra of architecture.extraTensors ?? []) {
    if (!draft.ggufNames.has(extra.name)) continue;
    const soFar = resolveConfig(Object.fromEntries(values), architecture);
    extra.restore(gguf.smallTensors?.get(extra.name), draft, soFar);
  }
  architecture.finishConfig?.(draft);
  const ropeDefault = field(architecture.defaults, "rope_parameters");
  const rope = values.get("rope_parameters");
  for (const [key, value] of Object.entries(architecture.defaults)) {
    if (values.has(key)) continue;
    if (key === "rope_parameters") continue;
    values.set(key, value);
    const why = architecture.notInGguf?.[key] ?? "not held by GGUF, the class's default taken";
    const named = value !== null || architecture.notInGguf?.[key] !== undefined;
    if (!given.has(key) && named) {
      findings.push(assumed(key, `${key} = ${quoted(value)}: ${why}`));
    }
  }
  if (architecture.hasRope !== false && isJsonObject(ropeDefault) && !saysTheta(values)) {
    values.set("rope_parameters", { ...ropeDefault, ...(isJsonObject(rope) ? rope : {}) });
    findings.push(
      assumed("rope_theta", "rope_theta: the GGUF has no rope.freq_base, the class's default taken"),
    );
  }
  return values;
}

function assumed(key: string, what: string): Finding {
  return note("assumed", `Assumed config.json ${what}.`, { path: "config.json", key });
}

/** Whether config.json has rope_theta: at the top level, among the rope parameters, or there by layer type. */
function saysTheta(values: ReadonlyMap<string, JsonValue>): boolean {
  const rope = values.get("rope_parameters");
  if (values.has("rope_theta")) return true;
  if (!isJsonObject(rope)) return false;
  return [rope, ...Object.values(rope)].some(
    (part) => isJsonObject(part) && part["rope_theta"] !== undefined,
  );
}

function generationConfig(metadata: Metadata, tokenizer: HfTokenizer, listsEnds: boolean): JsonObject {
  const values = new Map<string, JsonValue>();
  for (const role of ["bos", "eos", "pad"]) {
    const id = tokenizer.ids.get(role);
    if (id !== undefined) values.set(`${role}_token_id`, id);
  }
  const turn = tokenizer.ids.get("eos");
  const end = numberOf(metadata.get("tokenizer.ggml.eos_token_id"));
  if (listsEnds && turn !== undefined && end !== undefined && end !== turn)
    values.set("eos_token_id", [turn, end]);
  for (const { config, key } of samplingKeys) {
    const number = numberOf(metadata.get(key));
    const text = stringOf(metadata.get(key));
    if (number !== undefined) values.set(config, shortestFloat(number));
    else if (text !== undefined) values.set(config, text);
  }
  if ([...values.keys()].some((key) => samplingKeys.some(({ config }) => config === key)))
    values.set("do_sample", true);
  return Object.fromEntries(values);
}

function jsonText(value: JsonObject): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Floats that no rule for one metadata key declares: those of rope, and those that GGUF does not hold. */
const OTHER_REALS: readonly string[] = [
  "block_ffn_dim_multiplier",
  "global_rope_theta",
  "local_rope_theta",
  "partial_rotary_factor",
  "rope_local_base_freq",
  "rope_theta",
  "rotary_pct",
];

function realNames({ earlyParameters = [], parameters, realNames = [] }: Architecture): ReadonlySet<string> {
  const ofRules = [...earlyParameters, ...parameters].flatMap((rule) => rule.realNames ?? []);
  return new Set([...ofRules, ...realNames, ...OTHER_REALS]);
}

function realText(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(realText).join(", ")}]`;
  const text = JSON.stringify(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

/**
 * transformers refuses a config.json that has 30 for a float: whole numbers under the keys `reals`, and in lists under them,
 * are written as 30.0.
 */
function configText(config: JsonObject, reals: ReadonlySet<string>): string {
  const lines = Object.entries(config).map(([key, value]) => {
    const text = reals.has(key)
      ? realText(value)
      : key === "text_config" && isJsonObject(value)
        ? configText(value, reals).trimEnd()
        : JSON.stringify(value, null, 2);
    return `  ${JSON.stringify(key)}: ${text.replaceAll("\n", "\n  ")}`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}

/** The settings of a language model inside those of a multimodal model, where the family has such models only. */
function wrapped(settings: JsonObject, { wrapper }: Architecture): JsonObject {
  if (wrapper === undefined) return settings;
  const { vision_config: vision, architectures, model_type: type, ...text } = settings;
  return {
    ...(architectures === undefined ? {} : { architectures }),
    ...(type === undefined ? {} : { model_type: type }),
    ...(vision === undefined ? {} : { vision_config: vision }),
    text_config: { ...text, model_type: wrapper.textType },
    tie_word_embeddings: text["tie_word_embeddings"] ?? false,
  };
}

/** Adds the tensors that the GGUF has as metadata, and sorts all by name. */
function withMetadataTensors(
  tensors: readonly WeightPlan[],
  { metadataTensors }: Architecture,
  metadata: Metadata,
): readonly WeightPlan[] {
  if (metadataTensors === undefined) return tensors;
  const made = metadataTensors
    .restore(metadata)
    .map(({ name, shape, values }): WeightPlan => ({ name, shape, inputs: [{ values }] }));
  return [...tensors, ...made].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Plans the Hugging Face directory of a GGUF.
 * @throws ConversionError when its architecture or one of its tensors has no counterpart.
 */
export function ggufToHf(gguf: GgufContent, options: GgufToHfOptions): HfPlan {
  const names = new Set(gguf.tensors.map(({ name }) => name));
  const architecture = architectureOfGguf(gguf.metadata, names);
  refuseImpossibleMetadata(gguf.metadata, architecture.name, gguf.tensors);
  const findings: Finding[] = [];
  const contextLength = numberOf(gguf.metadata.get(`${architecture.name}.context_length`));
  const tokenizer = tokenizerFiles(gguf.metadata, architecture.tokenizer, contextLength);
  const values = draftConfig(architecture, gguf, tokenizer, findings);
  writeRope(values, architecture.ropeTypeKey ?? "rope_type");
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  const config: JsonObject = {
    architectures: [architecture.classes[0] ?? ""],
    model_type: architecture.modelType,
    ...wrapped(Object.fromEntries(sorted), architecture),
    torch_dtype: torchTypes[options.dtype],
  };
  const resolved = resolveConfig(config, architecture);
  const { tensors: planned, leftOut } = planHfTensors(architecture, resolved, gguf.tensors);
  const tensors = withMetadataTensors(planned, architecture, gguf.metadata);
  const unheld = unheldRopeTensors(architecture.extraTensors ?? [], resolved, gguf.smallTensors ?? new Map());
  if (tensors.length === 0) throw new FormatError("The GGUF holds no tensors.");
  const files = new Map<string, string | Uint8Array>([
    ...poolingFiles(gguf.metadata, architecture),
    ["config.json", configText(config, realNames(architecture))],
    [
      "generation_config.json",
      jsonText(generationConfig(gguf.metadata, tokenizer, architecture.tokenizer.listsEnds === true)),
    ],
  ]);
  for (const [name, content] of tokenizer.files) {
    files.set(name, content instanceof Uint8Array ? content : jsonText(content));
  }
  const missing = tokenizer.leftOut === undefined ? [] : [{ name: "tokenizer", reason: tokenizer.leftOut }];
  return {
    architecture: architecture.name,
    files,
    tensors,
    leftOut: [
      ...leftOut.map(({ name, reason }) => ({ name, reason: unheld.get(name) ?? reason })),
      ...missing,
    ],
    findings: [
      ...findings,
      ...[...unheld].map(([tensor, why]) =>
        note("not-stored", `The config.json does not give back ${tensor}: ${why}.`, { tensor }),
      ),
      ...tokenizer.findings,
    ],
  };
}
