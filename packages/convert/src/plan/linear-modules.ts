/** Which weights of a float model are linear layers of the decoder: what the tools of these formats quantize. */

/** Inside a numbered layer of the language model. */
const LAYER = /(?:^|\.)(?:layers|h|blocks?)\.\d+\./;
/** Encoders of other senses, which the tools leave alone. */
const OTHER_SENSES =
  /(?:^|\.)(?:vision\w*|visual|audio\w*|image\w*|multi_modal\w*|mm_projector|\w*projector)\./;
/** Matrices that are no linear layers, and routers, whose few outputs decide which expert runs. */
const NOT_LINEAR =
  /(?:norm|embed\w*|rotary\w*|conv\w*|router(?:\.\w+)?|(?:mlp|block_sparse_moe|feed_forward|moe)\.gate|shared_expert_gate|gate_inp|ssm\w*|A_log|dt_proj|x_proj)\.weight$/;

/** Families whose layers keep their matrices transposed (Conv1D): no packed format has a place for that. */
const TRANSPOSED: readonly unknown[] = ["gpt2", "openai-gpt", "imagegpt"];

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export function isLinearWeight(
  { name, shape }: NamedShape,
  config: Readonly<Record<string, unknown>> | undefined,
): boolean {
  return (
    shape.length === 2 &&
    name.endsWith(".weight") &&
    LAYER.test(name) &&
    !OTHER_SENSES.test(name) &&
    !NOT_LINEAR.test(name) &&
    !TRANSPOSED.includes(config?.["model_type"])
  );
}

/** The last matrix of a model, under the name that nearly all have. */
export function isHeadWeight({ name, shape }: NamedShape): boolean {
  return shape.length === 2 && /(?:^|\.)lm_head\.weight$/.test(name);
}

export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}
