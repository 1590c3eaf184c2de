import type { Finding, MetadataValue } from "@requant/core";
import type { JsonObject } from "../json.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import type { Vocabulary } from "./vocabulary.ts";

type Keys = readonly (readonly [string, MetadataValue])[];

/** A tokenizer that is to be written as metadata. */
export interface Written {
  /** All keys in order, for a kind with an order of its own; the other fields are then only read. */
  readonly keys?: Keys;
  /** `tokenizer.ggml.model`. */
  readonly model: string;
  /** `tokenizer.ggml.pre`. */
  readonly pre: string | undefined;
  readonly vocabulary: Vocabulary;
  readonly special: SpecialTokens;
  /** The tokenizer.json whose normalizer is written as keys of its own. */
  readonly normalizedBy?: JsonObject | undefined;
  /** Keys between the tokens and the special ids, before and after the keys of the class. */
  readonly between?: { readonly first: Keys; readonly last: Keys };
  /** What a reader should know. */
  readonly findings?: readonly Finding[];
}
