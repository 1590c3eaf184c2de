import type { Finding } from "@requant/core";
import type { RecipeFacts } from "./facts.ts";
import type { FileType } from "./file-types.ts";
import type { ImatrixOrigin, MetadataChanges } from "./metadata.ts";

/** A tensor that a recipe chooses a type for. */
export interface RecipeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
}

/** `pattern` is searched for in the name, as a regular expression in any case; the first that fits wins. */
export interface TensorOverride {
  readonly pattern: string;
  readonly type: string;
}

/** llama-quantize's options, by its names where they differ. */
export interface RecipeOptions {
  /** The base type for every tensor: no rules. */
  readonly pure?: boolean | undefined;
  /** llama-quantize's tensor-type. */
  readonly tensorTypes?: readonly TensorOverride[] | undefined;
  /** llama-quantize's output-tensor-type. */
  readonly outputTensor?: string | undefined;
  /** llama-quantize's token-embedding-type. */
  readonly tokenEmbedding?: string | undefined;
  /** llama-quantize's leave-output-tensor. */
  readonly leaveOutput?: boolean | undefined;
  /** Quantized tensors may be quantized again. */
  readonly allowRequantize?: boolean | undefined;
  /** Layers to leave out, by number. */
  readonly pruneLayers?: readonly number[] | undefined;
  /** Tensors stay in the order given: what llama-quantize's keep-split needs. */
  readonly keepOrder?: boolean | undefined;
  /** Only chooses: a missing importance matrix or a quantized source is not refused. */
  readonly dryRun?: boolean | undefined;
}

/** The input of a recipe. */
export interface TypeRequest {
  /** Name of a file type: "Q4_K_M". */
  readonly target: string;
  readonly facts: RecipeFacts;
  readonly tensors: readonly RecipeTensor[];
  /** Weights per tensor of the source; with stacked experts one row of weights per expert. */
  readonly imatrix?: ReadonlyMap<string, ArrayLike<number>> | undefined;
  /** What the output's metadata states about `imatrix`. */
  readonly imatrixOrigin?: ImatrixOrigin | undefined;
  /** For callers that only know whether there is a matrix; default: whether `imatrix` has entries. */
  readonly hasImatrix?: boolean | undefined;
  readonly options?: RecipeOptions | undefined;
}

/** The type that a recipe chose for one tensor, and why. */
export interface TypeChoice {
  /** Name in the source. */
  readonly source: string;
  /** Name in the output: another one only where layers were pruned. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: string;
  readonly type: string;
  /** Why this type, for people. */
  readonly reason: string;
  /** The type that was chosen first, where the rows are no whole blocks of it. */
  readonly wanted?: string | undefined;
  /** True where one of `tensorTypes` decided. */
  readonly isOverridden?: boolean | undefined;
  /** The entry of the importance matrix to quantize with. */
  readonly importance: string | undefined;
}

/** The result of a recipe. */
export interface TypeChoices {
  readonly fileType: FileType;
  /** In output order. */
  readonly tensors: readonly TypeChoice[];
  readonly metadata: MetadataChanges;
  /** Parts of the request that have no effect, and what to know about the types. */
  readonly findings: readonly Finding[];
}
