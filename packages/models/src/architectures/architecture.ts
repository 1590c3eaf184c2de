/**
 * What a model family must declare. One family is one file of this shape: names, keys and defaults are data; the few
 * transforms that it needs come from `tensors.ts` and `parameters.ts`.
 */
import type { Finding, Metadata, MetadataValue } from "@requant/core";
import type { Config, ConfigClass, ConfigValues } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { MemoryRules } from "../memory/rules.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { DecoderDescription } from "./decoder.ts";

/** One metadata key. `~` at its start stands for the architecture's name. */
export interface ParameterRule {
  readonly key: string;
  /** Its value, or undefined when the key is not written. */
  toGguf(config: Config, context: ParameterContext): MetadataValue | undefined;
  /** Writes the key's meaning into the config; absent when the config has nothing for it. */
  toHf?(value: MetadataValue, draft: ConfigDraft): void;
  /** Keys of config.json that config classes declare as floats: they are written with a point, 30.0. */
  readonly realNames?: readonly string[];
}

/** What a rule for a metadata key gets beside config.json. */
export interface ParameterContext {
  /** Number of the file type (llama_ftype). */
  readonly fileType: number;
  /** Names of the checkpoint's tensors. */
  readonly hfNames: ReadonlySet<string>;
  /** The pooling module of a sentence-transformers model. */
  readonly pooling?: JsonObject | undefined;
  /** Values of the checkpoint's tensors that the family's `metadataTensors` names. */
  readonly values?: ReadonlyMap<string, ArrayLike<number>> | undefined;
}

/** A config.json while it is built from metadata. */
export interface ConfigDraft {
  readonly values: ConfigValues;
  /** The family's defaults: they show its spelling of a key, and which values need not be written. */
  readonly defaults: JsonObject;
  /** The family's spellings of keys that its class has no defaults for. */
  readonly spellings: readonly string[];
  readonly metadata: Metadata;
  /** Metadata value of this architecture's key (with `~`). */
  parameter(key: string): MetadataValue | undefined;
  readonly ggufNames: ReadonlySet<string>;
  /** Shape of a GGUF tensor; undefined when there is none. */
  shapeOf(name: string): readonly number[] | undefined;
  /** Notes that a value is assumed, because the GGUF does not hold it: the finding `assumed` has the reason. */
  assume(key: string, value: JsonValue, reason: string): void;
}

/** The context that a tensor rule gets. */
export interface TensorContext {
  readonly config: Config;
  readonly layer: number | undefined;
  /** The text that `.*` matched: `.weight` or `.bias`. */
  readonly suffix: string;
  /** Shapes of all tensors on the side that is read. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The shape of one of them. */
  shapeOf(name: string): readonly number[];
}

/** The shape of an output tensor, and what it is made from. */
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
  /** True when the rule only maps names: it can then be used for unknown architectures, too. */
  readonly plain?: true;
  /** True for a layout that is read but never written back: another rule has the same GGUF names. */
  readonly oneWay?: true;
  /** Whether the rule holds for a model; absent for a rule that always holds. */
  readonly when?: (config: Config) => boolean;
  /** The type in which llama.cpp's converter keeps such a packed weight, whatever the target. */
  readonly keeps?: string;
  /** True for matrices that take the target's type although llama.cpp's converter keeps their kind in F32 elsewhere. */
  readonly takesType?: true;
  /** True for tensors that llama.cpp's converter writes before all others. */
  readonly leading?: true;
  /**
   * The number of experts (or heads) that `{expert}` of a Hugging Face pattern stands for in each layer; 1 without
   * `{expert}`.
   */
  expertCount?(config: Config, part: number): number;
  /** Plans for each GGUF name, given the names of each Hugging Face pattern (several where it has `{expert}`). */
  toGguf(parts: readonly (readonly string[])[], context: TensorContext): readonly PlannedTensor[];
  /** Plans for each Hugging Face pattern (several where it has `{expert}`), given the GGUF names. */
  toHf(parts: readonly string[], context: TensorContext): readonly (readonly PlannedTensor[])[];
}

/** A GGUF tensor that no checkpoint stores: it is computed from config.json, and config.json is restored from it. */
export interface ExtraTensor {
  readonly name: string;
  /** The values, row-major; undefined where this model has no such tensor. */
  values(config: Config): readonly number[] | undefined;
  /**
   * Restores the settings behind the values into the draft; called where the GGUF has the tensor.
   * @param values undefined where they were not read: the settings are then assumed, with a finding.
   * @param config the draft so far, with the class's defaults.
   */
  restore(values: ArrayLike<number> | undefined, draft: ConfigDraft, config: Config): void;
}

/** A tensor that is known by its values. */
export interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** Parts of a checkpoint that a text-only GGUF does not hold. */
export interface LeftOutRule {
  readonly pattern: RegExp;
  readonly reason: string;
  /**
   * Whether this name of this model is left out; always, where absent.
   * @param names all names of the checkpoint
   */
  readonly when?: (config: Config, match: RegExpExecArray, names: ReadonlySet<string>) => boolean;
}

/** What tells families of one class apart beside config.json. */
export type FamilyHints = Partial<Pick<HfFiles, "directoryName" | "readme">>;

/** A model family: its names, tensors and settings in both directions. */
export interface Architecture extends ConfigClass {
  /** `general.architecture`. */
  readonly name: string;
  /** Names in config.json's `architectures`; the first is written back. */
  readonly classes: readonly string[];
  readonly modelType: string;
  /** For families that share a class: whether a config.json belongs to this family. Absent: always. */
  readonly claims?: (config: JsonObject, hints: FamilyHints) => boolean;
  /** Settings that the class finds in other files than config.json. */
  readonly facts?: (files: HfFiles) => JsonObject;
  /** What is assumed where the checkpoint does not say it; `config` has the assumed values. */
  readonly assumptions?: (files: HfFiles, config: Config) => readonly Finding[];
  /** For the language model of a multimodal model: its settings stand in `text_config`, under this `model_type`. */
  readonly wrapper?: { readonly textType: string };
  /** Spellings of config keys, where the class has no defaults that show them. */
  readonly spellings?: readonly string[];
  /**
   * Renames tensors of the checkpoint for the rules, and back: for blocks that are outside the numbered layers in the
   * checkpoint and inside them in GGUF (multi-token prediction).
   */
  readonly names?: {
    /** From a name in the checkpoint to the name that the rules have. */
    readonly toRules: (name: string, config: Config) => string;
    /** From a name that the rules have to the name in the checkpoint. */
    readonly fromRules: (name: string, config: Config) => string;
  };
  /** Keys of config.json that its class declares as floats, beside those of the parameters. */
  readonly realNames?: readonly string[];
  /** Keys that llama.cpp's converter writes before general.type. */
  readonly earlyParameters?: readonly ParameterRule[];
  readonly parameters: readonly ParameterRule[];
  readonly extraTensors?: readonly ExtraTensor[];
  readonly tensors: readonly TensorRule[];
  /**
   * Names that mlx-lm gives to tensors of this family, where it stores them otherwise than Hugging Face (mlx-lm, models,
   * `sanitize` of the family). They are read only: a GGUF is converted back to Hugging Face's names. Stacks of separate
   * experts need no rule here.
   */
  readonly mlxTensors?: readonly TensorRule[];
  readonly leftOut?: readonly LeftOutRule[];
  /** Small tensors of the checkpoint that a GGUF has as metadata, and how they are made from it again. */
  readonly metadataTensors?: {
    readonly pattern: RegExp;
    /** The tensors that the checkpoint needs, with their values. */
    readonly restore: (metadata: Metadata) => readonly NamedValues[];
  };
  readonly tokenizer: TokenizerRules;
  /** How the family computes; absent for a family without a forward pass. A family that is built from another one states its own. */
  readonly decoder?: DecoderDescription | undefined;
  /**
   * What its models keep of the tokens before; absent where every layer keeps the whole context. A family that is built from another
   * one has the other's, unless it states its own.
   */
  readonly memory?: MemoryRules;
  /** general.file_type where the files decide it, whatever file type is requested (MXFP4 experts). */
  readonly fileType?: (files: HfFiles, asked: number) => number;
  /** Config values that follow from tensors or from several keys at once. */
  readonly finishConfig?: (draft: ConfigDraft) => void;
  /** For families that share a GGUF name: whether a file belongs to this family. Absent: always. */
  readonly recognises?: (metadata: Metadata, tensorNames: ReadonlySet<string>) => boolean;
  /**
   * Set where config.json names the type of rope scaling `type`, which the family's first code requires; else
   * `rope_type`.
   */
  readonly ropeTypeKey?: "type";
  /**
   * False for a class that is only read: its GGUF is converted back to another class (a Mistral without window is a
   * Llama).
   */
  readonly writesBack?: boolean;
  /** Why a GGUF of this family cannot be converted back: it lacks parts that every checkpoint of the family has. */
  readonly notBack?: string;
  /** What a GGUF of this family cannot hold, for the report: config key → why. */
  readonly notInGguf?: Readonly<Record<string, string>>;
}
