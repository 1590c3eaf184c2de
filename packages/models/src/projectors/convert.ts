/** The vision or audio side of a Hugging Face model as a GGUF of its own, as llama.cpp's converter writes it with `--mmproj`. */
import { ConversionError, FormatError, type Metadata, type MetadataValue } from "@requant/core";
import { Config } from "../config.ts";
import { fileTypeNumber } from "../file-types.ts";
import { generalMetadata } from "../general/general-metadata.ts";
import type { HfFiles } from "../hf-files.ts";
import { field, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { isAudioTensor, isEncoderTensor } from "../left-out.ts";
import { boolsOf, numberOf, string, u32 } from "../metadata-values.ts";
import { type LeftOut, type NamedTensor, planGgufTensors, planHfTensors } from "../plan-tensors.ts";
import type { WeightPlan } from "../weight-plan.ts";
import { projectorOfConfig, projectorOfGguf } from "./index.ts";
import { encoderParameters } from "./parameters.ts";
import type { Encoder, Projector, ProjectorParameter, ProjectorSettings } from "./projector.ts";

/** A tensor of a projector, with the type that it has in a file of some type. */
export interface ProjectorTensor extends WeightPlan {
  /** The type whatever is asked for; absent where the tensor takes the type asked for. */
  readonly type?: "F32" | "F16";
}

/** A projector's GGUF that can be written. */
export interface ProjectorPlan {
  readonly metadata: Metadata;
  readonly tensors: readonly ProjectorTensor[];
  readonly leftOut: readonly LeftOut[];
}

function section(config: JsonObject, ...names: readonly string[]): JsonObject {
  for (const name of names) {
    const value = field(config, name);
    if (isJsonObject(value)) return value;
  }
  return {};
}

const configOf = (values: JsonObject): Config => new Config(new Map(Object.entries(values)));

/** The section of an encoder, with the defaults of its class; undefined where config.json has none. */
function encoderOf({ encoder, defaults, settings }: Encoder, config: JsonObject): Config | undefined {
  const name = `${encoder}_config`;
  if (!isJsonObject(field(config, name))) return undefined;
  const own = { ...defaults, ...section(config, name) };
  return configOf(settings?.(own) ?? own);
}

function settingsOf(projector: Projector, files: HfFiles): ProjectorSettings {
  // the part of Qwen-Omni that is not about speaking
  const config = { ...files.config, ...section(files.config, "thinker_config") };
  const text = section(config, "text_config", "llm_config", "lm_config", "language_config");
  return {
    encoder:
      encoderOf(projector, config) ??
      configOf(projector.settings?.(projector.defaults) ?? projector.defaults),
    second: projector.second && encoderOf(projector.second, config),
    root: configOf(config),
    text: configOf({ ...config, ...text }),
    preprocessor: configOf(preprocessorOf(files)),
  };
}

function preprocessorOf({ preprocessorConfig, processorConfig }: HfFiles): JsonObject {
  return {
    ...preprocessorConfig,
    ...processorConfig,
    ...section(processorConfig ?? {}, "image_processor"),
  };
}

/** Patches and the convolution that merges them are F16 at most (llama.cpp, conversion/base.py, `MmprojModel`). */
const PATCHES = /\.(?:patch_embd|patch_merger)\.weight/;

function typeOf(
  { types = [] }: Projector,
  { name, shape, forceF32 }: WeightPlan,
  fileType: string,
): ProjectorTensor["type"] {
  if (shape.length < 2) return "F32";
  const own = types.find((rule) => rule.name.test(name))?.type;
  if (own !== undefined) return own;
  if (PATCHES.test(name)) return fileType === "F16" ? "F16" : "F32";
  return forceF32 === true || name.includes(".position_embd.") ? "F32" : undefined;
}

/** The family as the rules are run for a text model. */
function renaming({ prefix, names, tensors, leftOut = [] }: Projector): {
  readonly tensors: Projector["tensors"];
  readonly leftOut: NonNullable<Projector["leftOut"]>;
  readonly names: NonNullable<Projector["names"]>;
} {
  const bare = (name: string): string => name.replace(/^(?:model|thinker)\./, "");
  return {
    tensors,
    leftOut,
    names: {
      toRules: (name, config) => names?.toRules(bare(name), config) ?? bare(name),
      fromRules: (name, config) => (prefix ?? "") + (names?.fromRules(name, config) ?? name),
    },
  };
}

function valuesOf(
  parameters: readonly ProjectorParameter[],
  settings: ProjectorSettings,
): readonly (readonly [string, MetadataValue])[] {
  return parameters.flatMap(({ key, value }) => {
    const made = value(settings);
    return made === undefined ? [] : [[key, made] as const];
  });
}

/**
 * Plans the GGUF of a model's vision or audio side.
 * @throws ConversionError when no projector is known for the class; FormatError when config and tensors contradict each other
 */
export function projectorToGguf(files: HfFiles, fileType: string): ProjectorPlan {
  const projector = projectorOfConfig(files.config);
  const settings = settingsOf(projector, files);
  const own = files.tensors.filter(({ name }) => isEncoderTensor(name));
  if (own.length === 0) {
    throw new ConversionError(`The checkpoint holds no tensors of its ${projector.encoder} side.`, {
      hint: "Give the directory of the whole model.",
    });
  }
  const planned = planGgufTensors(
    { ...renaming(projector), name: "clip", includesEncoders: true },
    settings.encoder,
    own,
  );
  const computed = (projector.computed ?? []).map(
    ({ name, shape, input }): WeightPlan => ({ name, shape: shape(settings), inputs: [input(settings)] }),
  );
  const tensors = [...computed, ...planned.tensors].map(({ forceF32, ...plan }): ProjectorTensor => {
    const type = typeOf(projector, { ...plan, ...(forceF32 ? { forceF32 } : {}) }, fileType);
    return type === undefined ? plan : { ...plan, type };
  });
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", string("clip")],
    ["general.type", string("mmproj")],
  ]);
  const described = { ...files, generationConfig: files.generationConfig };
  for (const [key, value] of generalMetadata(described, { tensors })) metadata.set(key, value);
  metadata.set("general.file_type", u32(fileTypeNumber(fileType)));
  const { second } = settings;
  const secondKeys =
    projector.second === undefined || second === undefined ? [] : encoderParameters[projector.second.encoder];
  const written = [
    ...valuesOf(encoderParameters[projector.encoder], settings),
    ...valuesOf(secondKeys, { ...settings, encoder: second ?? settings.encoder }),
    ...valuesOf(projector.parameters, settings),
  ];
  for (const [key, value] of written) metadata.set(key, value);
  metadata.set("general.quantization_version", u32(2));
  const unused = new Set(planned.leftOut.map(({ name }) => name));
  const used = own.filter(({ name }) => !unused.has(name));
  if (second === undefined) refuseOtherDepth(projector.encoder, settings.encoder, used);
  else {
    const [seen, heard] = [false, true].map((isAudio) =>
      used.filter(({ name }) => isAudioTensor(name) === isAudio),
    );
    refuseOtherDepth("vision", settings.encoder, seen ?? []);
    refuseOtherDepth("audio", second, heard ?? []);
  }
  const rest = files.tensors.filter(({ name }) => !isEncoderTensor(name));
  const reason = "part of the text model: the projector's GGUF does not hold it";
  return {
    metadata,
    tensors,
    leftOut: [...planned.leftOut, ...rest.map(({ name }) => ({ name, reason }))],
  };
}

const COMPUTED = "computed from the settings: no checkpoint has it";
const LAYER = /\.(?:layers|blocks)\.(\d{1,6})\./;

/** The layers of config.json and those of the tensors must be the same. */
function refuseOtherDepth(
  encoder: Projector["encoder"],
  settings: Config,
  tensors: readonly NamedTensor[],
): void {
  const layers = new Set(tensors.flatMap(({ name }) => LAYER.exec(name)?.[1] ?? []));
  const expected = settings.need("num_hidden_layers", "depth", "encoder_layers");
  if (layers.size === expected) return;
  throw new FormatError(
    `The checkpoint has ${layers.size} layers of its ${encoder} encoder, but config.json says ${expected}.`,
    { hint: "The config belongs to another model, or the checkpoint is not complete." },
  );
}

/**
 * Plans the tensors of a projector's GGUF under Hugging Face's names.
 * @throws ConversionError when the projector, or one of its tensors, has no counterpart
 */
export function projectorToHf(
  metadata: Metadata,
  tensors: readonly NamedTensor[],
): { readonly tensors: readonly WeightPlan[]; readonly leftOut: readonly LeftOut[] } {
  const projector = projectorOfGguf(metadata);
  const heads = numberOf(metadata.get(`clip.${projector.encoder}.attention.head_count`));
  const deep = boolsOf(metadata.get("clip.vision.is_deepstack_layers")) ?? [];
  const values: Record<string, JsonValue> = {
    num_attention_heads: heads ?? null,
    deepstack_visual_indexes: deep.flatMap((isDeep, index) => (isDeep ? [index] : [])),
  };
  const { tensors: rules, names } = renaming(projector);
  const family = { tensors: rules, names, classes: projector.classes };
  const computed = new Set(projector.computed?.map(({ name }) => name));
  const planned = planHfTensors(
    family,
    configOf(values),
    tensors.filter(({ name }) => !computed.has(name)),
  );
  const left = tensors.flatMap(({ name }) => (computed.has(name) ? [{ name, reason: COMPUTED }] : []));
  return { tensors: planned.tensors, leftOut: [...planned.leftOut, ...left] };
}
