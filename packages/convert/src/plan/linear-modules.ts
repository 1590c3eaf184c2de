/** Which weights of a float model are linear layers of the decoder: what the tools of these formats quantize. */
import { isTokenEmbedding, OTHER_SENSE } from "../model/weight-names.ts";

/** Inside a numbered layer of the language model. */
const LAYER = /(?:^|\.)(?:layers|h|blocks?)\.\d+\./;
/** Modules whose matrix is no linear layer. */
const NOT_LINEAR = /(?:norm|router|shared_expert_gate|gate_inp|A_log|dt_proj|x_proj)$|embed|rotary|conv|ssm/;
/** Modules whose `gate` is a router: its few outputs decide which expert runs. */
const HAS_ROUTER = /(?:mlp|block_sparse_moe|feed_forward|moe)$/;

/** Families whose layers keep their matrices transposed (Conv1D): no packed format has a place for that. */
const TRANSPOSED: readonly unknown[] = ["gpt2", "openai-gpt", "imagegpt"];

/** Modules whose matrix multiplies nothing, so that no loader takes them for linear layers. */
const NO_LINEAR_MODULE = /norm|embed|A_log|rotary|conv/;

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
    isDecoderLinear(moduleOf(name).split(".")) &&
    !TRANSPOSED.includes(config?.["model_type"])
  );
}

/** Of a module, given as the names on the way to it. */
function isDecoderLinear(modules: readonly string[]): boolean {
  const own = modules.at(-1) ?? "";
  const parent = modules.at(-2) ?? "";
  return (
    !modules.some((module) => OTHER_SENSE.test(module)) &&
    !NOT_LINEAR.test(own) &&
    !parent.endsWith("router") &&
    !(own === "gate" && HAS_ROUTER.test(parent))
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
  return !NO_LINEAR_MODULE.test(moduleOf(name).split(".").at(-1) ?? "");
}
