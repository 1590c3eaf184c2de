/**
 * What makes a family a Llama under other names. A row of the table states how its tensors become those of a
 * LlamaForCausalLM (names, splits, row orders), which settings config.json then needs, and what prevents the conversion.
 */
import type { Finding } from "@requant/core";
import type { TensorRule } from "../architectures/architecture.ts";
import type { Config, ConfigClass } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import type { JsonValue } from "../json.ts";

export interface LlamaEquivalent {
  /** Names in config.json's `architectures`. */
  readonly classes: readonly string[];
  /** Of the family's own config class. */
  readonly configClass: ConfigClass;
  /** From the family's names (`hf`) to Llama's (`gguf` of the rule). */
  readonly tensors: readonly TensorRule[];
  /** Why this checkpoint is not equivalent to a Llama, although others of its class are. */
  obstacle?(config: Config, files: HfFiles): string | undefined;
  /** Settings of the new config.json that the family spells otherwise. */
  settings?(config: Config, files: HfFiles): Readonly<Record<string, JsonValue>>;
  /** What a user should know. */
  findings?(config: Config, files: HfFiles): readonly Finding[];
}
