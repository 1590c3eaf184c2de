/**
 * The rope factors of Meta's own checkpoints at their real widths. Oracle: `factor` in the published config.json of each model in
 * Hugging Face's form, which is the factor of the slowest pair of dimensions.
 */
import { describe, expect, it } from "vitest";
import { type HfTensor, hfToGguf, readHfFiles } from "../src/index.ts";

interface Size {
  readonly dim: number;
  readonly heads: number;
  readonly feedForward: number;
}

function tensorsOf({ dim, heads, feedForward }: Size): HfTensor[] {
  const narrow = (8 * dim) / heads;
  const shapes: Readonly<Record<string, readonly number[]>> = {
    "tok_embeddings.weight": [128256, dim],
    "norm.weight": [dim],
    "output.weight": [128256, dim],
    "layers.0.attention_norm.weight": [dim],
    "layers.0.ffn_norm.weight": [dim],
    "layers.0.attention.wq.weight": [dim, dim],
    "layers.0.attention.wk.weight": [narrow, dim],
    "layers.0.attention.wv.weight": [narrow, dim],
    "layers.0.attention.wo.weight": [dim, dim],
    "layers.0.feed_forward.w1.weight": [feedForward, dim],
    "layers.0.feed_forward.w2.weight": [dim, feedForward],
    "layers.0.feed_forward.w3.weight": [feedForward, dim],
  };
  return Object.entries(shapes).map(([name, shape]) => ({ name, shape, encoding: "BF16" }));
}

/** As in the params.json of the models, with one layer. */
function ropeFactors(size: Size, more: object): readonly number[] {
  const params = {
    dim: size.dim,
    n_layers: 1,
    n_heads: size.heads,
    n_kv_heads: 8,
    vocab_size: 128256,
    ffn_dim_multiplier: 1.3,
    multiple_of: 1024,
    norm_eps: 1e-5,
    rope_theta: 500000,
    ...more,
  };
  const files = readHfFiles("model", new Map([["params.json", JSON.stringify(params)]]), tensorsOf(size));
  const plan = hfToGguf(files, { fileType: "BF16", tokenizer: false });
  const [input] = plan.tensors.find(({ name }) => name === "rope_freqs.weight")?.inputs ?? [];
  return input !== undefined && "values" in input ? input.values : [];
}

describe("use_scaled_rope", () => {
  it.each([
    ["Llama 3.1 8B", { dim: 4096, heads: 32, feedForward: 14336 }, 8],
    ["Llama 3.1 70B and 3.3 70B", { dim: 8192, heads: 64, feedForward: 28672 }, 8],
    ["Llama 3.1 405B", { dim: 16384, heads: 128, feedForward: 53248 }, 8],
    ["Llama 3.2 1B", { dim: 2048, heads: 32, feedForward: 8192 }, 32],
    ["Llama 3.2 3B", { dim: 3072, heads: 24, feedForward: 8192 }, 32],
  ])("%s has the factor of its config.json", (_, size, factor) => {
    const factors = ropeFactors(size, { use_scaled_rope: true });
    expect(factors).toHaveLength(size.dim / size.heads / 2);
    expect([factors[0], factors.at(-1)]).toEqual([1, factor]);
  });

  it("that is false or missing gives none", () => {
    const size = { dim: 4096, heads: 32, feedForward: 14336 };
    expect([ropeFactors(size, { use_scaled_rope: false }), ropeFactors(size, {})]).toEqual([[], []]);
  });
});
