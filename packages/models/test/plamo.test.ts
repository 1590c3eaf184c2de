/**
 * The heads of PLaMo 13B, whose vector holds no weights. Oracle: llama.cpp's conversion/plamo.py, whose views of q and o are written
 * down here for single rows and columns; whole files of both were the same bytes when the family was added.
 */
import { expect, test } from "vitest";
import { hfToGguf, openWeight, type WeightPlan, type WeightSource } from "../src/index.ts";
import { backTo } from "./comparisons.ts";
import { readVector, vectorFiles } from "./vector.ts";

const WIDTH = 5120;
const HEAD = 128;
const plan = hfToGguf(vectorFiles(readVector("plamo")), { fileType: "F32" });

/** A matrix with the number of its row, or of its column, in each place. */
function numbered(by: "row" | "column"): WeightSource {
  return {
    shapeOf: () => [WIDTH, WIDTH],
    async readRows(_, start, end, out) {
      for (let row = start; row < end; row++)
        for (let column = 0; column < WIDTH; column++)
          out[(row - start) * WIDTH + column] = by === "row" ? row : column;
    },
  };
}

async function rowOf(
  tensors: readonly WeightPlan[],
  name: string,
  row: number,
  source: WeightSource,
): Promise<Float32Array> {
  const tensor = tensors.find((one) => one.name === name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  const out = new Float32Array(WIDTH);
  await openWeight(tensor, source).readRows(row, row + 1, out);
  return out;
}

// of five keys with eight heads each, head 8·key + place is head 5·place + key of the checkpoint
const heads = [
  { gguf: 0, hf: 0 },
  { gguf: 1, hf: 5 },
  { gguf: 7, hf: 35 },
  { gguf: 8, hf: 1 },
  { gguf: 39, hf: 39 },
];

test.each(heads)("head $gguf of the GGUF is head $hf of the checkpoint", async ({ gguf, hf }) => {
  const q = await rowOf(plan.tensors, "blk.0.attn_q.weight", gguf * HEAD + 3, numbered("row"));
  expect(q[0]).toBe(hf * HEAD + 3);
  const o = await rowOf(plan.tensors, "blk.0.attn_output.weight", 0, numbered("column"));
  expect(o[gguf * HEAD + 3]).toBe(hf * HEAD + 3);
  const back = backTo(plan).tensors;
  const layer = "model.layers.layers.0.self_attn";
  const qBack = await rowOf(back, `${layer}.q_proj.weight`, hf * HEAD + 3, numbered("row"));
  expect(qBack[0]).toBe(gguf * HEAD + 3);
  const oBack = await rowOf(back, `${layer}.o_proj.weight`, 0, numbered("column"));
  expect(oBack[hf * HEAD + 3]).toBe(gguf * HEAD + 3);
});
