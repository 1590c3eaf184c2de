/**
 * Mistral's own checkpoints with yarn, with queries scaled by their position, and with latent attention and experts. Oracle: the
 * metadata and tensors that llama.cpp's converter writes with `--mistral-format` (vectors/params.json.gz).
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { bfloatToFloat, elementCount, floatToBfloat, rowCount } from "@requant/core";
import { describe, expect, test } from "vitest";
import { hfToGguf, openWeight, readHfFiles, type WeightSource } from "../src/index.ts";
import { listed, orderless } from "./comparisons.ts";
import { asOpened, type ManifestKey, sha256 } from "./golden.ts";

interface Vector {
  readonly params: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [name: string, shape: number[]])[];
  readonly metadata: readonly ManifestKey[];
  readonly gguf: readonly (readonly [name: string, shape: number[], sha256: string])[];
}

const path = new URL("./vectors/params.json.gz", import.meta.url);
const vectors: Readonly<Record<string, Vector>> = JSON.parse(gunzipSync(readFileSync(path)).toString());

function planOf({ params, tensors }: Vector) {
  const contents = new Map([["params.json", JSON.stringify(params)]]);
  const listedTensors = tensors.map(([name, shape]) => ({ name, shape, encoding: "BF16", file: "a" }));
  const files = readHfFiles("model", contents, asOpened(listedTensors));
  return hfToGguf(files, { fileType: "F32", name: "model", tokenizer: false });
}

/** The values that the vectors were made with: a row of 251 numbers, repeated, from another place in each tensor. */
function sourceOf({ tensors }: Vector): WeightSource {
  const stored = new Map(tensors.map(([name, shape], number) => [name, { shape, number }]));
  return {
    shapeOf: (name) => stored.get(name)?.shape ?? [],
    async readRows(name, start, end, out) {
      const { shape = [], number = 0 } = stored.get(name) ?? {};
      const length = shape.at(-1) ?? 1;
      for (let place = start * length; place < end * length; place++) {
        const value = (((place * 197 + number * 31) % 251) - 125) / 256;
        out[place - start * length] = bfloatToFloat(floatToBfloat(value));
      }
    },
  };
}

describe.each(Object.entries(vectors))("%s", (_, vector) => {
  test("every metadata key, type and value", () => {
    // the converter writes the size of a vocabulary beside its tokens, which these files lack
    const isOwn = ({ key }: { key: string }): boolean =>
      !key.startsWith("general.name") &&
      !key.startsWith("general.size") &&
      !/^(?:llama|mistral3)\.vocab_size$/.test(key);
    expect(listed(planOf(vector)).filter(isOwn)).toEqual(orderless(vector.metadata).filter(isOwn));
  });

  test("every tensor's name, shape and values", async () => {
    const made = [];
    for (const plan of planOf(vector).tensors) {
      const values = new Float32Array(elementCount(plan.shape));
      await openWeight(plan, sourceOf(vector)).readRows(0, rowCount(plan.shape), values);
      made.push([plan.name, plan.shape, sha256(new Uint8Array(values.buffer))]);
    }
    expect(made).toEqual(vector.gguf);
  });
});

test.each(["factor", "beta", "alpha", "original_max_position_embeddings"])(
  "yarn without %s is refused",
  (key) => {
    const vector = vectors["yarn-params"];
    if (vector === undefined) throw new Error("no vector");
    const yarn = { ...(vector.params["yarn"] as object), [key]: undefined };
    expect(() => planOf({ ...vector, params: { ...vector.params, yarn } })).toThrow(
      `yarn without the number ${key}`,
    );
  },
);
