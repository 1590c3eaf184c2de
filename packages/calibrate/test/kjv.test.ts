/** The forward pass of the bundled model. Oracle: transformers in f32 (`vectors/README.md`). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";
import { openDecoder } from "../src/index.ts";
import { hfSource, logitsOf, runAll, withHfModel } from "./model-source.ts";

const directory = fileURLToPath(new URL("../../../fixtures/kjv/hf", import.meta.url));
const vector = z
  .object({
    tokens: z.array(z.number()),
    rows: z.array(
      z.object({
        window: z.number(),
        position: z.number(),
        ids: z.array(z.number()),
        logits: z.array(z.number()),
      }),
    ),
    inputs: z.record(z.string(), z.object({ meanSquares: z.array(z.number()), product: z.number() })),
  })
  .parse(JSON.parse(readFileSync(new URL("vectors/kjv.json", import.meta.url), "utf8")));
const windows = [vector.tokens.slice(0, 64), vector.tokens.slice(64)];

test("logits of two windows are those of transformers", async () => {
  const all = await withHfModel(directory, async (model) => logitsOf(await hfSource(model), windows));
  for (const { window, position, ids, logits } of vector.rows) {
    for (const [i, id] of ids.entries()) {
      const expected = logits[i] ?? Number.NaN;
      const found = all[window]?.[position * 1024 + id] ?? Number.NaN;
      expect(Math.abs(found - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected)));
    }
  }
});

test("the observer gets the inputs of all linear layers", async () => {
  const sums = new Map<string, { squares: Float64Array; product: number; tokens: number }>();
  const inputs = await withHfModel(directory, async (model) => {
    const decoder = openDecoder(await hfSource(model), {
      observer: {
        onInput(name, x, tokens, columns) {
          const sum = sums.get(name) ?? { squares: new Float64Array(columns), product: 0, tokens: 0 };
          sums.set(name, sum);
          for (let i = 0; i < tokens * columns; i++) sum.squares[i % columns]! += x[i]! ** 2;
          for (let token = 0; token < tokens; token++)
            sum.product += x[token * columns]! * x[token * columns + 1]!;
          sum.tokens += tokens;
        },
      },
      // each window is a batch of its own
      batchTokens: 1,
    });
    await runAll(decoder, windows);
    return decoder.inputs;
  });
  expect(inputs.map(({ name }) => name).sort()).toEqual(Object.keys(vector.inputs).sort());
  expect([...sums.keys()].sort()).toEqual(Object.keys(vector.inputs).sort());
  expect(inputs.slice(0, 3)).toEqual([
    { name: "blk.0.attn_q.weight", sharedBy: ["blk.0.attn_k.weight", "blk.0.attn_v.weight"], columns: 256 },
    { name: "blk.0.attn_output.weight", sharedBy: [], columns: 256 },
    { name: "blk.0.ffn_gate.weight", sharedBy: ["blk.0.ffn_up.weight"], columns: 256 },
  ]);
  for (const [name, { meanSquares, product }] of Object.entries(vector.inputs)) {
    const sum = sums.get(name);
    expect(sum?.tokens).toBe(128);
    for (const [column, expected] of meanSquares.entries()) {
      const found = (sum?.squares[column] ?? Number.NaN) / 128;
      expect(Math.abs(found - expected)).toBeLessThan(1e-4 * expected + 1e-9);
    }
    expect(Math.abs((sum?.product ?? Number.NaN) / 128 - product)).toBeLessThan(1e-5);
  }
});

test("batches and bands of the head change no logit", async () => {
  await withHfModel(directory, async (model) => {
    const source = await hfSource(model);
    const whole = await logitsOf(source, windows);
    expect(await logitsOf(source, windows, { batchTokens: 64, headBytes: 100_000 })).toEqual(whole);
  });
});
