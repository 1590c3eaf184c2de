/**
 * Perplexity and divergence of models of any two formats. Oracle: torch's measurements of the golden set (`results.json`: f32, the
 * same windows), and llama-perplexity's of the bundled model.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { wasmCompute } from "@requant/calibrate";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { evaluateModels, type Model, openModel } from "../../src/index.ts";

const fixture = resolve(import.meta.dirname, "../../../../fixtures/kjv");
const golden = process.env["REQUANT_GOLDEN"];
const kjv = join(golden ?? "", "kjv");
const compute = wasmCompute();
afterAll(() => compute.close());

async function opened<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const isFile = path.endsWith(".gguf");
  const store = directoryStore(isFile ? dirname(path) : path);
  const model = await openModel({ store, ...(isFile ? { file: basename(path) } : {}) });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

it("the bundled model has llama-perplexity's perplexity, whose bf16 arithmetic is a little coarser", async () => {
  const text = readFileSync(join(fixture, "heldout.txt"), "utf8");
  const reference = z
    .object({ files: z.array(z.object({ target: z.string(), perplexity: z.number() })) })
    .parse(JSON.parse(readFileSync(join(fixture, "reference.json"), "utf8")));
  const known = reference.files.find(({ target }) => target === "BF16")?.perplexity ?? Number.NaN;
  const result = await opened(join(fixture, "hf"), (model) =>
    evaluateModels({ model, base: model, text, window: 256, compute }),
  );
  expect(result.tokens).toBe(9398);
  expect(Math.abs(result.perplexity / known - 1)).toBeLessThan(5e-4);
  expect(result).toMatchObject({ kl: 0, sameTop: 1, windows: 74, window: 256, findings: [] });
});

const rows: readonly (readonly [name: string, path: string])[] = [
  ["hf bf16", "hf"],
  ...["BF16", "Q8_0", "Q6_K", "Q4_K_M", "Q4_0", "IQ4_XS", "Q2_K"].map(
    (type) => [`gguf ${type}`, `gguf/kjv-${type}.gguf`] as const,
  ),
  ["gguf IQ2_XXS imatrix", "gguf/kjv-IQ2_XXS-imatrix.gguf"],
  ...[
    "gptq-3bit-g128-sym",
    "gptq-4bit-g128-sym",
    "gptq-4bit-g128-sym-aga",
    "gptq-4bit-g32-asym-act",
    "gptq-8bit-g128-sym-v2",
    "awq-4bit-g128-gemm",
    "awq-4bit-g32-gemm",
    "exl2-2.7bpw-h6",
    "exl2-4.0bpw-h6",
  ].map((name) => [name, `${name.split("-")[0]}/${name}`] as const),
];

const rowSchema = z.object({
  name: z.string(),
  ppl: z.number(),
  ppl_error: z.number(),
  tokens: z.number(),
  kl: z.number(),
  same_top: z.number(),
});

describe.skipIf(!existsSync(kjv))("rows of results.json (skipped: REQUANT_GOLDEN is not set)", () => {
  it.each(rows)("%s", { timeout: 120_000 }, async (name, path) => {
    const text = readFileSync(join(kjv, "heldout.txt"), "utf8");
    const known = z
      .array(z.looseObject({ name: z.string() }))
      .parse(JSON.parse(readFileSync(join(kjv, "results.json"), "utf8")))
      .find((row) => row.name === name);
    const expected = rowSchema.parse(known);
    const found = await opened(join(kjv, "gguf/kjv-BF16.gguf"), (base) =>
      opened(join(kjv, path), (model) => evaluateModels({ model, base, text, window: 256, compute })),
    );
    const kl = found.kl ?? Number.NaN;
    expect(found.tokens).toBe(expected.tokens);
    expect(Math.abs(found.perplexity / expected.ppl - 1)).toBeLessThan(5e-4);
    expect(Math.abs(found.perplexityError / expected.ppl_error - 1)).toBeLessThan(1e-3);
    // results.json has six digits after the point
    expect(Math.abs(kl - expected.kl)).toBeLessThan(0.01 * expected.kl + 5e-7);
    expect(Math.abs((found.sameTop ?? 0) - expected.same_top)).toBeLessThan(5e-4);
  });
});
