import type { MetadataValue } from "@requant/core";
import type { ImatrixOrigin } from "@requant/gguf";
import type { Model } from "../model/model.ts";
import type { StatisticsIndex } from "../model/statistics-file.ts";
import type { TypeCosts } from "./sized-types.ts";

/** What the caller may choose about a conversion. What a target cannot use is refused, never ignored. */
export interface PlanOptions {
  /** Refuse whatever is neither copy nor exact. */
  readonly exact?: boolean | undefined;
  /**
   * Look in float matrices for the grid of an earlier quantization, and keep its codes where the target holds them. `exact`
   * looks for them in any case.
   */
  readonly grids?: boolean | undefined;
  /** Name of the GGUF file that is made, without or with ".gguf"; for directories it is not used. */
  readonly outputName?: string | undefined;
  /** Largest size of one file in bytes; the output is split where it would grow larger. */
  readonly shardSize?: number | undefined;
  /** Keep the split of a split source (GGUF to GGUF). */
  readonly keepSplit?: boolean | undefined;
  /** The asked type for every tensor, no mix. */
  readonly pure?: boolean | undefined;
  /** Types for tensors whose name a regular expression matches; the first match wins. */
  readonly tensorTypes?: readonly TensorTypeRule[] | undefined;
  readonly outputTensorType?: string | undefined;
  readonly tokenEmbeddingType?: string | undefined;
  readonly leaveOutputTensor?: boolean | undefined;
  /** Quantize weights that are quantized already. */
  readonly allowRequantize?: boolean | undefined;
  /** Also quantize the linear layers that a quantized source stores in floats; packed targets only. */
  readonly requantizeRest?: boolean | undefined;
  /** Layers to leave out, by number. */
  readonly pruneLayers?: readonly number[] | undefined;
  readonly imatrix?: PlanImatrix | undefined;
  /**
   * What calibration text says about the inputs of each weight: weights are solved with it, not rounded. Where it can be read,
   * targets that measure weights before they are planned (mixes of widths, `targetSize`) measure the outputs of the layers.
   */
  readonly statistics?: StatisticsIndex | undefined;
  /** How large the output may be; with a target whose word is `auto`, which then chooses what loses the least. */
  readonly targetSize?: TargetSize | undefined;
  /** What was measured for `targetSize`, by weight of the output; `planConversion` measures where it is not given. */
  readonly typeCosts?: ReadonlyMap<string, TypeCosts> | undefined;
  /** Make a LlamaForCausalLM of a checkpoint of another class with the same arithmetic. */
  readonly llamafy?: boolean | undefined;
  /** False plans a GGUF without a tokenizer, for a reader of its weights alone. */
  readonly tokenizer?: boolean | undefined;
  /** A GGUF whose metadata and tokenizer are taken over. */
  readonly like?: Model | undefined;
  /** The base model of an adapter: it says how the adapter's tensors are named and stored on the other side. */
  readonly base?: Model | undefined;
  /** Of a model that sees or hears: its text model (the default), the projector beside it, or a file of each. */
  readonly part?: ModelPart | undefined;
  /** Metadata keys that are set last. */
  readonly set?: ReadonlyMap<string, MetadataValue> | undefined;
  /** Stops the reads of planning. */
  readonly signal?: AbortSignal | undefined;
}

/** A side of a multimodal model, or all of them. */
export type ModelPart = "text" | "mmproj" | "all";

/** A size that is reached within a thousandth from below, where the sizes of the types allow it. */
export type TargetSize =
  /** Of all files of the output together. */
  | { readonly byteLength: number }
  /**
   * Over all tensors of a GGUF, those that stay in floats included; of a packed target over the decoder's linear layers, as the word
   * `4.25bpw` has it.
   */
  | { readonly bitsPerWeight: number };

/** An importance matrix: per source tensor the weights of its columns (of each expert), and where they are from. */
export interface PlanImatrix {
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
  readonly origin?: ImatrixOrigin | undefined;
}

/** Tensors whose names match get this type. */
export interface TensorTypeRule {
  readonly pattern: string;
  readonly type: string;
}
