/**
 * Projectors whose tensors are moved number by number. Oracle: the place of each number, computed here from what llama.cpp's converter
 * does (views, permutations and slices of torch), and counts that follow from the config by hand.
 */
import { elementCount, rowCount } from "@requant/core";
import { describe, expect, test } from "vitest";
import { openWeight, projectors, projectorToGguf, projectorToHf, readHfFiles } from "../src/index.ts";

interface Small {
  readonly config: object;
  readonly preprocessor?: object;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

function filesOf({ config, preprocessor, tensors }: Small): Parameters<typeof projectorToGguf>[0] {
  const text = { hidden_size: 12, model_type: "qwen2" };
  const given = new Map([
    ["config.json", JSON.stringify({ text_config: text, ...config })],
    [
      "preprocessor_config.json",
      JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25], ...preprocessor }),
    ],
  ]);
  const listed = Object.entries(tensors).map(([name, shape]) => ({ name, shape, encoding: "F32" }));
  return readHfFiles("small", given, listed);
}

type Values = Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

/** Each number of a tensor is its own place. */
function counted(tensors: Small["tensors"]): Values {
  return new Map(
    Object.entries(tensors).map(([name, shape]) => [
      name,
      { shape, values: Float32Array.from({ length: elementCount(shape) }, (_, i) => i) },
    ]),
  );
}

async function made(plans: ReturnType<typeof projectorToHf>["tensors"], from: Values): Promise<Values> {
  const out: Values = new Map();
  const source = {
    shapeOf: (name: string) => from.get(name)?.shape ?? [],
    async readRows(name: string, start: number, end: number, target: Float32Array) {
      const { shape = [], values = new Float32Array(0) } = from.get(name) ?? {};
      const length = shape.at(-1) ?? 1;
      target.set(values.subarray(start * length, end * length));
    },
  };
  for (const plan of plans) {
    const values = new Float32Array(elementCount(plan.shape));
    await openWeight(plan, source).readRows(0, rowCount(plan.shape), values);
    out.set(plan.name, { shape: plan.shape, values });
  }
  return out;
}

const layer = (prefix: string, shapes: Readonly<Record<string, readonly number[]>>): Small["tensors"] =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`${prefix}.${name}`, shape]));

const qwen: Small = {
  config: {
    architectures: ["Qwen2VLForConditionalGeneration"],
    vision_config: { depth: 1, embed_dim: 4, hidden_size: 12, num_heads: 2, patch_size: 5 },
  },
  tensors: {
    "visual.patch_embed.proj.weight": [4, 3, 2, 5, 5],
    ...layer("visual.blocks.0", { "attn.qkv.weight": [12, 4], "attn.qkv.bias": [12] }),
  },
};

const lfm: Small = {
  config: {
    architectures: ["Lfm2VlForConditionalGeneration"],
    vision_config: { hidden_size: 4, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 },
  },
  preprocessor: { resample: 3 },
  tensors: {
    "model.vision_tower.vision_model.embeddings.patch_embedding.weight": [2, 768],
    ...layer("model.vision_tower.vision_model.encoder.layers.0", { "mlp.fc1.bias": [8] }),
  },
};

describe("tensors of projectors", () => {
  test("the patches of two frames become two tensors", async () => {
    const plan = projectorToGguf(filesOf(qwen), "F32");
    const values = await made(plan.tensors, counted(qwen.tensors));
    for (const [frame, name] of ["v.patch_embd.weight", "v.patch_embd.weight.1"].entries()) {
      const { shape, values: own = [] } = values.get(name) ?? {};
      expect(shape).toEqual([4, 3, 5, 5]);
      // [out, channel, frame, y, x]
      const expected = Array.from({ length: 300 }, (_, i) => Math.floor(i / 25) * 50 + frame * 25 + (i % 25));
      expect([...own]).toEqual(expected);
    }
  });

  test("fused q, k and v become three, biases too", async () => {
    const plan = projectorToGguf(filesOf(qwen), "F32");
    const values = await made(plan.tensors, counted(qwen.tensors));
    for (const [part, name] of ["q", "k", "v"].entries()) {
      const weight = values.get(`v.blk.0.attn_${name}.weight`);
      expect(weight?.shape).toEqual([4, 4]);
      expect([...(weight?.values ?? [])]).toEqual(Array.from({ length: 16 }, (_, i) => part * 16 + i));
      const bias = values.get(`v.blk.0.attn_${name}.bias`);
      expect(bias?.shape).toEqual([4]);
      expect([...(bias?.values ?? [])]).toEqual(Array.from({ length: 4 }, (_, i) => part * 4 + i));
    }
  });

  test("patches as rows of a matrix become the weights of a convolution", async () => {
    const plan = projectorToGguf(filesOf(lfm), "F32");
    const patches = (await made(plan.tensors, counted(lfm.tensors))).get("v.patch_embd.weight");
    expect(patches?.shape).toEqual([2, 3, 16, 16]);
    // [out, y, x, channel] to [out, channel, y, x]
    const expected: number[] = [];
    for (let out = 0; out < 2; out++) {
      for (let channel = 0; channel < 3; channel++) {
        for (let place = 0; place < 256; place++) expected.push(out * 768 + place * 3 + channel);
      }
    }
    expect([...(patches?.values ?? [])]).toEqual(expected);
  });

  test.each([
    ["Qwen2-VL", qwen],
    ["LFM2-VL", lfm],
  ])("%s: back to the checkpoint's names and numbers", async (_, small) => {
    const plan = projectorToGguf(filesOf(small), "F32");
    const own = counted(small.tensors);
    const back = await made(
      projectorToHf(plan.metadata, plan.tensors).tensors,
      await made(plan.tensors, own),
    );
    expect(new Map([...back].sort())).toEqual(new Map([...own].sort()));
  });
});

describe("settings of projectors", () => {
  test("how images are made smaller is PIL's bicubic", () => {
    const { metadata } = projectorToGguf(filesOf(lfm), "F32");
    expect(metadata.get("clip.vision.image_resize_algo")?.value).toBe("bicubic");
  });

  test("the types that a file of F16 keeps", () => {
    const tensors = projectorToGguf(filesOf(qwen), "F16").tensors;
    const typeOf = (name: string): unknown => tensors.find((tensor) => tensor.name === name)?.type;
    expect(typeOf("v.patch_embd.weight")).toBe("F16");
    expect(typeOf("v.patch_embd.weight.1")).toBe("F16");
    expect(typeOf("v.blk.0.attn_q.bias")).toBe("F32");
    expect(typeOf("v.blk.0.attn_q.weight")).toBeUndefined();
  });

  test.each([
    [
      "a depth of another model",
      { ...qwen.config, vision_config: { depth: 3, embed_dim: 4 } },
      qwen.tensors,
      /1 layers.*says 3/,
    ],
    ["no list of means", qwen.config, qwen.tensors, /image_mean/],
    [
      "windows at unequal distances",
      {
        architectures: ["Qwen2_5_VLForConditionalGeneration"],
        vision_config: { depth: 1, fullatt_block_indexes: [1, 2, 7] },
      },
      qwen.tensors,
      /equal distances/,
    ],
  ])("%s is refused", (_, config, tensors, message) => {
    const preprocessor = message.source === "image_mean" ? { image_mean: 1 } : {};
    expect(() => projectorToGguf(filesOf({ config, preprocessor, tensors }), "F32")).toThrow(message);
  });

  test("each projector has a type and classes of its own", () => {
    const types = projectors.map(({ type }) => type);
    expect(new Set(types).size).toBe(types.length);
    const classes = projectors.flatMap((projector) => projector.classes);
    expect(new Set(classes).size).toBe(classes.length);
  });
});
