/**
 * What a vision or audio projector must declare: the encoder beside a text model, and what leads from it into the model's embeddings.
 * One family is one file of this shape. In GGUF it is a file of its own, with the architecture `clip` (llama.cpp,
 * conversion/base.py, `MmprojModel`).
 */
import type { MetadataValue } from "@requant/core";
import type { LeftOutRule, TensorRule } from "../architectures/architecture.ts";
import type { Config } from "../config.ts";
import type { JsonObject } from "../json.ts";
import type { WeightInput } from "../weight-plan.ts";

/** The settings behind a projector's metadata. */
export interface ProjectorSettings {
  /** The encoder's section of config.json, with the defaults of its class. */
  readonly encoder: Config;
  /** The section of the second encoder; undefined where the model has none. */
  readonly second: Config | undefined;
  /** The root of config.json. */
  readonly root: Config;
  /** The text model's section, and the root where that says nothing. */
  readonly text: Config;
  /** preprocessor_config.json, and processor_config.json over it. */
  readonly preprocessor: Config;
}

/** One metadata key of a projector. */
export interface ProjectorParameter {
  readonly key: string;
  /** Its value, or undefined when the key is not written. */
  value(settings: ProjectorSettings): MetadataValue | undefined;
}

/** An encoder, and its section of config.json. */
export interface Encoder {
  readonly encoder: "vision" | "audio";
  /** Settings of the encoder's section that its class has by default (transformers 5.12.1). */
  readonly defaults: JsonObject;
  /** The encoder's settings by the names that the common keys have. */
  readonly settings?: (encoder: JsonObject) => JsonObject;
}

/** A tensor that no checkpoint stores: it is computed from the settings. */
export interface ComputedTensor {
  /** In the GGUF. */
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: (settings: ProjectorSettings) => readonly number[];
  /** What its values are computed from. */
  readonly input: (settings: ProjectorSettings) => WeightInput;
}

/** A family of projectors. */
export interface Projector extends Encoder {
  /** `clip.projector_type`. */
  readonly type: string;
  /** Names in config.json's `architectures`. */
  readonly classes: readonly string[];
  /** For families that share a class: whether a config.json belongs to this family. Absent: always. */
  readonly claims?: (config: JsonObject) => boolean;
  /** A second encoder in the same file, for models that see and hear. A model may lack it. */
  readonly second?: Encoder;
  /** In the order of the file, after the keys that all projectors have. */
  readonly parameters: readonly ProjectorParameter[];
  /** What stands before all names in a checkpoint and in no rule. */
  readonly prefix?: "model." | "thinker.";
  readonly tensors: readonly TensorRule[];
  /** Written before all other tensors. */
  readonly computed?: readonly ComputedTensor[];
  /** Tensors of the encoders that a GGUF does not hold. */
  readonly leftOut?: readonly LeftOutRule[];
  /** Renames tensors of a checkpoint for the rules, and back. */
  readonly names?: {
    /** From a name in the checkpoint to the name that the rules have. */
    readonly toRules: (name: string, config: Config) => string;
    /** From a name that the rules have to the name in the checkpoint. */
    readonly fromRules: (name: string, config: Config) => string;
  };
  /** Types that tensors have whatever is asked for, by GGUF name. */
  readonly types?: readonly { readonly name: RegExp; readonly type: "F32" | "F16" }[];
}
