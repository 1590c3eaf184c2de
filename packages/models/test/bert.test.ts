/** BERT and XLM-RoBERTa. Oracle: metadata of llama.cpp's converter (version 0.5.0), names of gguf-py's table (`get_tensor_name_map`). */
import { describe, expect, test } from "vitest";
import { ggufToHf, type HfFiles, type HfTensor, hfToGguf } from "../src/index.ts";
import { asListed } from "./golden.ts";
import { deliberate, filesOf, readTokenizerVector } from "./tokenizer-vector.ts";

const h = 32;
const f = 64;

/** The tensors of the two tiny models: 400 tokens and 64 positions, or 422 and 66. */
function tensorsOf(tokens: number, positions: number, types: number): HfTensor[] {
  const layers = [0, 1].flatMap((layer) => {
    const dense = [
      "attention.self.query",
      "attention.self.key",
      "attention.self.value",
      "attention.output.dense",
    ];
    const all: [string, number[]][] = [
      ...dense.flatMap((part): [string, number[]][] => [
        [`${part}.weight`, [h, h]],
        [`${part}.bias`, [h]],
      ]),
      ["intermediate.dense.weight", [f, h]],
      ["intermediate.dense.bias", [f]],
      ["output.dense.weight", [h, f]],
      ["output.dense.bias", [h]],
      ...["attention.output", "output"].flatMap((part): [string, number[]][] => [
        [`${part}.LayerNorm.weight`, [h]],
        [`${part}.LayerNorm.bias`, [h]],
      ]),
    ];
    return all.map(([part, shape]): [string, number[]] => [`encoder.layer.${layer}.${part}`, shape]);
  });
  const all: [string, number[]][] = [
    ["embeddings.word_embeddings.weight", [tokens, h]],
    ["embeddings.position_embeddings.weight", [positions, h]],
    ["embeddings.token_type_embeddings.weight", [types, h]],
    ["embeddings.LayerNorm.weight", [h]],
    ["embeddings.LayerNorm.bias", [h]],
    ...layers,
  ];
  return all.map(([name, shape]) => ({ name, shape, encoding: "F32" }));
}

const ggufNames = [
  "token_embd.weight",
  "position_embd.weight",
  "token_types.weight",
  "token_embd_norm.weight",
  "token_embd_norm.bias",
  ...[0, 1].flatMap((layer) =>
    [
      "attn_q",
      "attn_k",
      "attn_v",
      "attn_output",
      "attn_output_norm",
      "ffn_up",
      "ffn_down",
      "layer_output_norm",
    ].flatMap((part) => [`blk.${layer}.${part}.weight`, `blk.${layer}.${part}.bias`]),
  ),
].sort();

const models = {
  bert: tensorsOf(400, 64, 2),
  xlmr: tensorsOf(422, 66, 1),
  xlmr_json: tensorsOf(422, 66, 1),
};

describe.each(Object.entries(models))("%s", (name, tensors) => {
  const vector = readTokenizerVector(name);
  const files: HfFiles = { ...filesOf(vector), tensors };
  const plan = hfToGguf(files, { fileType: "F32" });

  test("metadata of the converter", () => {
    const general = /^general\.(?!architecture|type|file_type|quantization_version)/;
    const ours = [...plan.metadata]
      .map(([key, value]) => asListed(key, value))
      .filter(({ key }) => !general.test(key) && deliberate[name]?.includes(key) !== true);
    expect(ours).toEqual(vector.metadata.filter(({ key }) => deliberate[name]?.includes(key) !== true));
  });

  test("names and shapes in both directions", () => {
    expect(plan.tensors.map((tensor) => tensor.name).sort()).toEqual(ggufNames);
    const positions = plan.tensors.find((tensor) => tensor.name === "position_embd.weight");
    expect(positions?.shape).toEqual([64, h]);
    expect(positions?.forceF32).toBe(true);
    const back = ggufToHf({ ...plan, smallTensors: undefined }, { dtype: "F32" });
    const listed = (all: readonly { name: string; shape: readonly number[] }[]) =>
      all.map((tensor) => `${tensor.name} ${tensor.shape.join()}`).sort();
    expect(listed(back.tensors)).toEqual(listed(tensors));
    const config = JSON.parse(String(back.files.get("config.json")));
    for (const key of [
      "architectures",
      "hidden_size",
      "intermediate_size",
      "max_position_embeddings",
      "pad_token_id",
      "type_vocab_size",
      "vocab_size",
    ])
      expect([key, config[key]]).toEqual([key, files.config[key]]);
  });

  test("wrappers, old names of norms, and tensors that an embedding model does not need", () => {
    const old = tensors.map((tensor) => ({
      ...tensor,
      name: `bert.${tensor.name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")}`,
    }));
    const extra = ["bert.pooler.dense.weight", "bert.embeddings.position_ids", "cls.predictions.bias"];
    const made = hfToGguf(
      { ...files, tensors: [...old, ...extra.map((one) => ({ name: one, shape: [h], encoding: "F32" }))] },
      { fileType: "F32" },
    );
    expect(made.tensors.map((tensor) => tensor.name).sort()).toEqual(ggufNames);
    expect(made.leftOut.map((one) => one.name).sort()).toEqual(extra.sort());
  });

  test.each([
    [{ pooling_mode_mean_tokens: true }, 1],
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, 2],
    [{ pooling_mode: "lasttoken" }, 3],
    [{}, undefined],
  ])("pooling %j", (pooling, type) => {
    const { metadata } = hfToGguf({ ...files, pooling }, { fileType: "F32" });
    expect(metadata.get("bert.pooling_type")?.value).toBe(type);
  });
});
