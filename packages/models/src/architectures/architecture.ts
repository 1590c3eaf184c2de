/**
 * What a family must say about itself. One family is one file of this shape: names, keys and defaults are data; the few
 * transforms it needs come from `tensors.ts` and `parameters.ts`, where each lives once.
 */
import type { Metadata, MetadataValue } from "@requant/core";
import type { Config, ConfigClass, ConfigValues } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { WeightInput } from "../weight-plan.ts";

/** One metadata key. `~` at its start stands for the architecture's name. */
export interface ParameterRule {
  readonly key: string;
  /** Its value, or undefined when the key is not written. */
  toGguf(config: Config, context: ParameterContext): MetadataValue | undefined;
  /** Writes what the key says into the config; missing when nothing follows from it. */
  toHf?(value: MetadataValue, draft: ConfigDraft): void;
}

export interface ParameterContext {
  /** Number of the file type (llama_ftype). */
  readonly fileType: number;
  /** Names of the checkpoint's tensors. */
  readonly hfNames: ReadonlySet<string>;
  /** The pooling module of a sentence-transformers model. */
  readonly pooling?: JsonObject | undefined;
}

/** A config.json being put together from metadata. */
export interface ConfigDraft {
  readonly values: ConfigValues;
  /** The family's defaults: which of several spellings it uses, and what stays unsaid. */
  readonly defaults: JsonObject;
  readonly metadata: Metadata;
  /** Metadata value of this architecture's key (with `~`). */
  parameter(key: string): MetadataValue | undefined;
  readonly ggufNames: ReadonlySet<string>;
  /** Shape of a GGUF tensor; undefined when there is none. */
  shapeOf(name: string): readonly number[] | undefined;
  assume(key: string, value: JsonValue, reason: string): void;
}

/** What a tensor rule is asked in. */
export interface TensorContext {
  readonly config: Config;
  readonly layer: number | undefined;
  /** What `.*` stood for: `.weight` or `.bias`. */
  readonly suffix: string;
  shapeOf(name: string): readonly number[];
}

export interface PlannedTensor {
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

/**
 * A group of tensors that belong together: patterns of Hugging Face names and of GGUF names. `{layer}` and `{expert}` stand for
 * numbers, a trailing `.*` for `.weight` or `.bias`. All Hugging Face parts of one layer (and all experts) make all GGUF parts.
 */
export interface TensorRule {
  readonly hf: readonly string[];
  readonly gguf: readonly string[];
  /** True when the rule says nothing but names: it may then serve architectures that nobody mapped. */
  readonly plain?: true;
  /** True for a layout that is read but never written back: another rule has the same GGUF names. */
  readonly oneWay?: true;
  /** True when the Hugging Face tensors are bytes of packed weights and of their scales, not numbers. */
  readonly codes?: true;
  /** True for tensors that llama.cpp's converter writes before all others. */
  readonly leading?: true;
  /** How many experts (or heads) each layer's `{expert}` of a Hugging Face pattern runs over; 1 where it has none. */
  expertCount?(config: Config, part: number): number;
  /** Plans for each GGUF name, given the names of each Hugging Face pattern (several where it has `{expert}`). */
  toGguf(parts: readonly (readonly string[])[], context: TensorContext): readonly PlannedTensor[];
  /** Plans for each Hugging Face pattern (several where it has `{expert}`), given the GGUF names. */
  toHf(parts: readonly string[], context: TensorContext): readonly (readonly PlannedTensor[])[];
}

/** A GGUF tensor that no checkpoint stores: it is made from config.json, and config.json is found again from it. */
export interface ExtraTensor {
  readonly name: string;
  values(config: Config): readonly number[] | undefined;
  /**
   * Writes into the draft what the values say; called where the GGUF has the tensor.
   * @param values undefined where they were not read: what is taken instead is named as assumed.
   * @param config the draft so far, with the class's defaults.
   */
  restore(values: ArrayLike<number> | undefined, draft: ConfigDraft, config: Config): void;
}

/** Parts of a checkpoint that a text-only GGUF does not hold. */
export interface LeftOutRule {
  readonly pattern: RegExp;
  readonly reason: string;
  readonly when?: (config: Config, match: RegExpExecArray) => boolean;
}

/** A model family: its names, tensors and settings in both directions. */
export interface Architecture extends ConfigClass {
  /** `general.architecture`. */
  readonly name: string;
  /** Names in config.json's `architectures`; the first is written back. */
  readonly classes: readonly string[];
  readonly modelType: string;
  /**
   * Names of the checkpoint as the rules know them, and back: for blocks that stand outside the numbered layers there and
   * inside them in GGUF (multi-token prediction).
   */
  readonly names?: {
    readonly toRules: (name: string, config: Config) => string;
    readonly fromRules: (name: string, config: Config) => string;
  };
  /** Keys that llama.cpp's converter writes before general.type. */
  readonly earlyParameters?: readonly ParameterRule[];
  readonly parameters: readonly ParameterRule[];
  readonly extraTensors?: readonly ExtraTensor[];
  readonly tensors: readonly TensorRule[];
  readonly leftOut?: readonly LeftOutRule[];
  readonly tokenizer: TokenizerRules;
  /** general.file_type where the files decide it whatever was asked (MXFP4 experts). */
  readonly fileType?: (files: HfFiles, asked: number) => number;
  /** Config values that follow from tensors or from several keys at once. */
  readonly finishConfig?: (draft: ConfigDraft) => void;
  /** Among several families of one GGUF name: whether this file is one of ours. Missing: always. */
  readonly recognises?: (metadata: Metadata, tensorNames: ReadonlySet<string>) => boolean;
  /** Where config.json calls the type of rope scaling `type`, which the family's first code demands; else `rope_type`. */
  readonly ropeTypeKey?: "type";
  /** False for a class that is only read: its GGUF goes back as another (a Mistral without window is a Llama). */
  readonly writesBack?: boolean;
  /** What a GGUF of this family cannot hold, for the report: config key → why. */
  readonly notInGguf?: Readonly<Record<string, string>>;
}
