/**
 * Tensors under the names of mlx-lm. Oracle: names and shapes that mlx-lm 0.32.2 wrote for tiny models of the golden set,
 * and names and shapes of the same models by llama.cpp's converter (vectors/mlx-names.json).
 */
import { readFileSync } from "node:fs";
import { architectureOfConfig, resolveConfig } from "@requant/models";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { planGgufTensors } from "../src/plan-tensors.ts";

const shapes = z.record(z.string(), z.array(z.number()));
const schema = z.record(
  z.string(),
  z.object({ config: z.record(z.string(), z.json()), mlx: shapes, gguf: shapes }),
);
const vectors = schema.parse(
  JSON.parse(readFileSync(new URL("vectors/mlx-names.json", import.meta.url), "utf8")),
);

function planned(name: string, changedShapes: Readonly<Record<string, readonly number[]>> = {}) {
  const { config, mlx } = vectors[name] ?? { config: {}, mlx: {} };
  const architecture = architectureOfConfig(config);
  const tensors = Object.entries({ ...mlx, ...changedShapes }).map(([tensor, shape]) => ({
    name: tensor,
    shape,
  }));
  return planGgufTensors(architecture, resolveConfig(config, architecture), tensors).tensors;
}

describe.each(Object.keys(vectors))("%s", (name) => {
  it("has the tensors of llama.cpp's converter, but for blocks that mlx-lm leaves out", () => {
    const { config, gguf = {} } = vectors[name] ?? {};
    const found = Object.fromEntries(planned(name).map((plan) => [plan.name, plan.shape]));
    // multi-token prediction
    const layers = Number(config?.["num_hidden_layers"] ?? config?.["n_layer"]);
    const kept = Object.entries(gguf).filter(
      ([tensor]) => Number(/^blk\.(\d+)\./.exec(tensor)?.[1] ?? 0) < layers,
    );
    expect(found).toEqual(Object.fromEntries(kept));
  });
});

/** mlx-lm, models/qwen3_next.py and qwen3_5.py: `weights[k] = v + 1.0`, together with the moved axis of the convolutions. */
describe.each(["Qwen3-Next-Tiny", "Qwen3.5-Tiny"])("norms of %s", (name) => {
  const norm = "blk.0.attn_norm.weight";
  const convolutions = Object.entries(vectors[name]?.mlx ?? {}).filter(([tensor]) =>
    tensor.endsWith("conv1d.weight"),
  );

  it("are taken as they are where mlx-lm stored them", () => {
    expect(planned(name).find((plan) => plan.name === norm)?.inputs).toEqual([
      { tensor: expect.stringMatching(/input_layernorm\.weight$/) },
    ]);
  });

  it("get the one that Hugging Face leaves out", () => {
    const asHf = Object.fromEntries(convolutions.map(([tensor, [c = 0, w = 0]]) => [tensor, [c, 1, w]]));
    expect(planned(name, asHf).find((plan) => plan.name === norm)?.inputs).toEqual([
      { tensor: expect.stringMatching(/input_layernorm\.weight$/), map: "add-one" },
    ]);
    expect(convolutions.length).toBeGreaterThan(0);
  });
});

it("matrices of GPT-2 are transposed only under Hugging Face's names", () => {
  const { mlx = {} } = vectors["gpt2-tiny"] ?? {};
  const [name = "", [outer = 0, inner = 0] = []] =
    Object.entries(mlx).find(([tensor]) => tensor.endsWith("h.0.mlp.c_fc.weight")) ?? [];
  const plan = (tensor: string, shape: number[]) => {
    const config = vectors["gpt2-tiny"]?.config ?? {};
    const architecture = architectureOfConfig(config);
    return planGgufTensors(architecture, resolveConfig(config, architecture), [{ name: tensor, shape }])
      .tensors;
  };
  expect(name).toBe("model.h.0.mlp.c_fc.weight");
  expect(plan(name, [outer, inner])).toMatchObject([{ shape: [outer, inner], inputs: [{ tensor: name }] }]);
  const bare = "h.0.mlp.c_fc.weight";
  expect(plan(bare, [inner, outer])).toMatchObject([
    { shape: [outer, inner], inputs: [{ tensor: bare, transpose: true }] },
  ]);
});
