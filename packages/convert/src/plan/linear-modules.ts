/** Which weights of a float model are linear layers of the decoder: what the tools of these formats quantize. */
import { isOtherSense, isTokenEmbedding, type TensorRole, tensorRole } from "@requant/models";

/** Inside a numbered layer of the language model. */
const LAYER = /(?:^|\.)(?:layers|h|blocks?)\.\d+\./;
/** Families whose layers keep their matrices transposed (Conv1D): no packed format has a place for that. */
const TRANSPOSED: readonly unknown[] = ["gpt2", "openai-gpt", "imagegpt"];

/** Tensors whose matrix multiplies nothing, so that no loader takes their module for a linear layer. */
const NO_LINEAR_MODULE: ReadonlySet<TensorRole> = new Set(["norm", "embedding", "position", "conv"]);

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export function isLinearWeight(
  { name, shape }: NamedShape,
  config: Readonly<Record<string, unknown>> | undefined,
  stacks = false,
): boolean {
  return (
    (shape.length === 2 || (stacks && shape.length === 3)) &&
    name.endsWith(".weight") &&
    LAYER.test(name) &&
    tensorRole(name) === "linear" &&
    !isOtherSense(name) &&
    !TRANSPOSED.includes(config?.["model_type"])
  );
}

/** The last matrix of a model, under the name that nearly all have. */
export function isHeadWeight({ name, shape }: NamedShape): boolean {
  return shape.length === 2 && /(?:^|\.)lm_head\.weight$/.test(name);
}

/** The matrix of token embeddings. */
export function isEmbeddingWeight({ name, shape }: NamedShape): boolean {
  return shape.length === 2 && isTokenEmbedding(name);
}

export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

/** Anything that a loader may take for a linear layer, routers, heads and encoders of other senses included. */
export function isLinearModule({ name, shape }: NamedShape): boolean {
  if (shape.length !== 2 || !name.endsWith(".weight")) return false;
  return !NO_LINEAR_MODULE.has(tensorRole(name));
}
