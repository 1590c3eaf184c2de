/** What is known about one method of quantization: how its configuration is found, named and read. */
import type { ErrorPlace } from "../errors.ts";

/** @inline */
type Json = Readonly<Record<string, unknown>>;

/** A file besides config.json in which a method's tools write its configuration. */
export interface ConfigFile {
  readonly name: string;
  /** True where only this method writes a file of that name, so that the file needs no key for the method. */
  readonly tellsMethod?: boolean;
  /** The key under which the settings stand, where they are not the whole file. */
  readonly section?: string;
}

/** What one value of `quant_method` means, whether or not there is a format that reads its weights. */
export interface QuantMethod {
  /** Spellings of `quant_method`; the first is the method's name in messages. */
  readonly names: readonly string[];
  /**
   * True where the keys show the method of a configuration that does not name it.
   * @param settings the configuration itself
   * @param model the whole config.json; empty for a configuration in a file of its own
   */
  isSign?(settings: Json, model: Json): boolean;
  /** Files besides config.json, in the order in which they are looked for. */
  readonly files?: readonly ConfigFile[];
  /** Keys of config.json, besides `quantization_config`, under which the configuration may stand. */
  readonly sections?: readonly string[];
  /** Keys that decide the weights' values, each followed by its older spellings: two files must agree on them. */
  readonly decidingKeys?: readonly (readonly string[])[];
  /** Files that the method's tools leave beside the weights and that say nothing about a float model. */
  readonly toolFiles?: readonly string[];
  /**
   * True where a weight that is stored as plain floats is that weight: the model was dequantized, or is to be quantized
   * when it is loaded. Other methods may compute with other values than those that are stored.
   */
  readonly leavesFloats?: boolean;
  /** True where the weights are to be quantized when the model is loaded. Called for every configuration. */
  quantizesAtLoading?(settings: Json): boolean;
  /**
   * The transform that a runtime applies while it computes, so that the stored weights alone are not the model's weights.
   * Called for every configuration, whatever its method, because tools also write the keys of other tools.
   */
  runtimeTransform?(settings: Json): string | undefined;
}

/** A method whose configuration tells how the weights of one format are stored. */
export interface FormatMethod extends QuantMethod {
  /**
   * False where a configuration of this method describes another format's weights. Absent: it describes this format's
   * weights.
   */
  describes?(settings: Json): boolean;
  /**
   * The settings in the spelling of the format's own reader. Absent: the configuration already has that spelling.
   * @throws UnsupportedError where they do not tell how the weights are stored
   */
  settings?(settings: Json, place: ErrorPlace): Json;
  /** Keys that `settings` reads, or that change no value, besides those of the format. */
  readonly keys?: readonly string[];
  /** The same for objects inside the configuration, by path; `*` stands for any key: `extra_config.*`. */
  readonly innerKeys?: Readonly<Record<string, readonly string[]>>;
}

/** The configuration that a model's files claim. Where the tensors disagree with it, the tensors decide. */
export interface ClaimedConfig {
  /** `quant_method`, or what the file's name or its keys show. */
  readonly method: string | undefined;
  /** The format whose weights the configuration describes; undefined where no format knows the method. */
  readonly format: string | undefined;
  readonly settings: Json;
}
