/** Layers with experts. Oracle: transformers in f32 (`vectors/README.md`). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";
import { type DecoderOptions, openDecoder } from "../src/index.ts";
import { hfSource, runAll, withHfModel } from "./model-source.ts";

const directory = fileURLToPath(new URL("../../../fixtures/arch/granite-3.1-moe-tiny", import.meta.url));
const vector = z
  .object({
    windows: z.array(z.array(z.number())),
    experts: z.record(
      z.string(),
      z.array(z.object({ tokens: z.number(), meanSquares: z.array(z.number()) })),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL("vectors/granite-moe.json", import.meta.url), "utf8")));

interface Sum {
  tokens: number;
  readonly squares: Float64Array;
}

/** Sums of the inputs of each expert, and the logits. */
async function observed(options: DecoderOptions) {
  return withHfModel(directory, async (model) => {
    const sums = new Map<string, Sum>();
    const source = await hfSource(model);
    let experts = 0;
    const decoder = openDecoder(
      {
        ...source,
        readRows(name, ...rest) {
          if (name.endsWith("ffn_up_exps.weight")) experts++;
          return source.readRows(name, ...rest);
        },
      },
      {
        ...options,
        observer: {
          onInput(name, x, tokens, columns, expert) {
            const key = `${name} ${expert}`;
            const sum = sums.get(key) ?? { tokens: 0, squares: new Float64Array(columns) };
            sums.set(key, sum);
            sum.tokens += tokens;
            for (let i = 0; i < tokens * columns; i++) sum.squares[i % columns]! += x[i]! ** 2;
          },
        },
      },
    );
    const logits = await runAll(decoder, vector.windows);
    return { sums, logits, experts, inputs: decoder.inputs };
  });
}

test("each expert gets the tokens that are routed to it", async () => {
  const { sums, inputs } = await observed({});
  expect(inputs.slice(2, 5)).toEqual([
    { name: "blk.0.ffn_gate_inp.weight", sharedBy: [], columns: 48 },
    { name: "blk.0.ffn_gate_exps.weight", sharedBy: ["blk.0.ffn_up_exps.weight"], columns: 48, experts: 4 },
    expect.objectContaining({ name: "blk.0.ffn_down_exps.weight", sharedBy: [], experts: 4 }),
  ]);
  for (const [name, experts] of Object.entries(vector.experts)) {
    for (const [expert, { tokens, meanSquares }] of experts.entries()) {
      const sum = sums.get(`${name} ${expert}`);
      expect(sum?.tokens ?? 0).toBe(tokens);
      expect(sums.get(`${name.replace("gate", "down")} ${expert}`)?.tokens ?? 0).toBe(tokens);
      for (const [column, expected] of meanSquares.entries()) {
        const found = (sum?.squares[column] ?? Number.NaN) / tokens;
        expect(Math.abs(found - expected)).toBeLessThan(1e-4 * expected);
      }
    }
  }
  expect(sums.get("blk.0.ffn_gate_inp.weight undefined")?.tokens).toBe(48);
});

test("experts are read once each, however few fit in memory, and the logits stay the same", async () => {
  const together = await observed({});
  const alone = await observed({ expertBytes: 1, batchTokens: 1 });
  expect(alone.logits).toEqual(together.logits);
  const hit = Object.values(vector.experts)
    .flat()
    .filter(({ tokens }) => tokens > 0).length;
  expect([together.experts, alone.experts]).toEqual([hit, hit]);
});
