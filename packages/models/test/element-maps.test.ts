/** Arithmetic of elements. Oracles: IEEE half precision by hand, a published table of the normal distribution, torch's own results. */
import { describe, expect, test } from "vitest";
import { hfToGguf, openWeight, type WeightSource } from "../src/index.ts";
import { normalPart, normalQuantile } from "../src/normal-distribution.ts";
import { SumF32 } from "../src/sum-f32.ts";
import { readVector, vectorFiles } from "./vector.ts";

describe("weights of an F16 checkpoint are computed in F16", () => {
  const files = vectorFiles(readVector("gemma2"));
  const norm = "model.norm.weight";

  /** The norm as the GGUF has it: x + 1, for x = 0.1 in half precision, 0.0999755859375. */
  async function shifted(encoding: string): Promise<number> {
    const tensors = files.tensors.map((tensor) => ({ ...tensor, encoding }));
    const plan = hfToGguf({ ...files, tensors }, { fileType: "F32", tokenizer: false });
    const found = plan.tensors.find(({ name }) => name === "output_norm.weight");
    if (found === undefined) throw new Error("no norm");
    const source: WeightSource = {
      shapeOf: () => found.shape,
      async readRows(_name, _start, _end, out) {
        out.fill(0.0999755859375);
      },
    };
    const out = new Float32Array(found.shape[0] ?? 0);
    await openWeight(found, source).readRows(0, 1, out);
    expect(files.tensors.map(({ name }) => name)).toContain(norm);
    return out[0] ?? 0;
  }

  test("x + 1 is the nearest half, of which 1024 lie between 1 and 2", async () => {
    // 1.0999755859375 lies between 1126/1024 and 1127/1024, nearer to the first
    expect(await shifted("F16")).toBe(1126 / 1024);
  });

  test("x + 1 of a BF16 checkpoint is exact in f32", async () => {
    expect(await shifted("BF16")).toBe(1.0999755859375);
  });
});

describe("a sum in torch's order", () => {
  test("the last bits differ from those of a sum one by one", () => {
    // 2^24 + 1 is no f32: one by one, each 1 after 2^24 is lost; side by side, 32 lanes keep their own sums
    const count = 64;
    const sum = new SumF32(count);
    for (let index = 0; index < count; index++) sum.add(index === 0 ? 2 ** 24 : 1);
    // 31 lanes of two ones each, and the lane of 2^24 that loses its one
    expect(sum.total).toBe(2 ** 24 + 62);
  });

  test("small integers are summed exactly, whatever their number", () => {
    for (const count of [1, 7, 8, 31, 32, 33, 100, 512, 513, 16_421]) {
      const sum = new SumF32(count);
      for (let index = 0; index < count; index++) sum.add(index % 4);
      const whole = Math.floor(count / 4);
      const rest = count % 4;
      expect([count, sum.total]).toEqual([count, 6 * whole + (rest * (rest - 1)) / 2]);
    }
  });
});

describe("the normal distribution", () => {
  test("quantiles as torch computes them in f32", () => {
    // golden/arch2, gemma3n: gemma3n.activation_sparsity_scale of 0.95 and 0
    expect(normalQuantile(0.95)).toBe(1.6448533535003662);
    expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(normalQuantile(0.5)).toBeCloseTo(0, 7);
  });

  test("parts below a number, from a table of the distribution", () => {
    for (const [x, part] of [
      [0, 0.5],
      [1, 0.8413],
      [1.96, 0.975],
      [-1.28, 0.1003],
      [3, 0.9987],
    ] as const)
      expect(normalPart(x)).toBeCloseTo(part, 4);
    expect(normalPart(Number.NEGATIVE_INFINITY)).toBe(0);
  });
});
