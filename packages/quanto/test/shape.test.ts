/** Where the shape of packed codes comes from. Oracle: the shapes of layers in transformers' modeling_llama.py. */
import { quantoFormat } from "@requant/quanto";
import { expect, test } from "vitest";

const config = {
  hidden_size: 64,
  intermediate_size: 192,
  num_attention_heads: 4,
  head_dim: 32,
};

/** The shape of a weight of [rows, columns] in groups of 32, with the parts that quanto stores. */
async function shapeOf(module: string, rows: number, columns: number, bias?: number): Promise<number[]> {
  const groups = (rows * columns) / 32;
  const parts = [
    { suffix: "weight._data._data", encoding: "U8", shape: [groups / 2, 32] },
    { suffix: "weight._scale", encoding: "F16", shape: [groups, 1] },
    { suffix: "weight._shift", encoding: "F16", shape: [groups, 1] },
  ].map((part) => ({ ...part, name: `${module}.${part.suffix}`, byteLength: 0 }));
  const hints = {
    config,
    shapeOf: (name: string) => (bias !== undefined && name === `${module}.bias` ? [bias] : undefined),
    read: async () => new Uint8Array(0),
  };
  const { rows: r, columns: c } = await quantoFormat
    .reader(undefined, hints, {})
    .openable(module, parts, { tensor: module });
  return [r, c];
}

test.each([
  ["model.layers.0.self_attn.q_proj", 128, 64],
  ["model.layers.0.self_attn.o_proj", 64, 128],
  ["model.layers.0.mlp.gate_proj", 192, 64],
  ["model.layers.0.mlp.down_proj", 64, 192],
])("%s is [%i, %i] by config.json", async (module, rows, columns) => {
  expect(await shapeOf(module, rows, columns)).toEqual([rows, columns]);
});

test("a bias says the rows of any layer", async () => {
  expect(await shapeOf("model.some_layer", 96, 160, 96)).toEqual([96, 160]);
});

test("without either the weight is refused by name", async () => {
  await expect(shapeOf("model.some_layer", 96, 160)).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("stores the shape of a weight in no tensor"),
  });
});
