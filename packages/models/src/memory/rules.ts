/**
 * What a family says of the memory that its models need beside their weights (llama.cpp v0.5.0, src/llama-model.cpp,
 * create_memory, and load_arch_hparams of src/models). A family without rules keeps the whole context in every layer.
 */
import type { Sizes } from "../llama-cpp/sizes.ts";

/** Layers in which a token sees only the last tokens. Which these are, `~.attention.sliding_window_pattern` says first. */
export interface WindowRules {
  /** Of so many layers one sees the whole context: the last, or the first. 1: none has a window. */
  readonly period: number;
  readonly whole?: "first" | "last";
  /** Tokens of the window, whatever the file says. */
  readonly fixed?: number;
  /** Tokens of the window where the file says nothing; without it no layer has one then. */
  readonly length?: number;
  /** The only number of layers with which models of the family have windows. */
  readonly onlyLayers?: number;
}

/** Which layers have a state of fixed size. */
export type StateLayers =
  /** All, and none has a cache. */
  | "all"
  /** All, and all have a cache. */
  | "beside"
  /** Those without key heads. */
  | "without key heads"
  /** Those with neither key heads nor a feed-forward; only layers without a feed-forward have a cache or a state. */
  | "without key heads and forward"
  /** By a list, or all but every fourth. */
  | "most";

/** What a family declares. */
export interface MemoryRules {
  readonly windows?: WindowRules;
  readonly states?: StateLayers;
  /** Layers with a cache of their own, from the first on; later layers use the caches of these. */
  readonly ownCaches?: (sizes: Sizes) => number;
  /** True for encoders, which keep nothing. */
  readonly keepsNothing?: true;
  /** Where the rows of the wanted outputs are chosen, if not in the last layer. */
  readonly choosesRows?: "after layers" | "after norm";
  /** Whether a layer turns queries and keys by their positions; absent for what the family's decoder says, or for all layers. */
  readonly rotates?: (sizes: Sizes, layer: LayerMemory) => boolean;
  /** Which sums name what they are added to first: those after the forward half, or those after attention as well. */
  readonly residualFirst?: "forward" | "both";
  /** True where compressed keys are expanded before they are kept, and the last norm is scaled. */
  readonly expandsLatent?: true;
  /** True where norms have no mean although the file names their number as if they had. */
  readonly normsWithoutMean?: true;
  /** True where the output of the last layer is kept for drafts of further tokens. */
  readonly keepsHidden?: true;
}

/** How one layer remembers. */
export interface LayerMemory {
  readonly layer: number;
  /** Numbers of the keys and of the values of each token; undefined without a cache of its own. */
  readonly cache: { readonly keys: number; readonly values: number } | undefined;
  readonly isWindowed: boolean;
  readonly hasState: boolean;
}
