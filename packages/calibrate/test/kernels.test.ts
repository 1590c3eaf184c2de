/**
 * The steps of a forward pass on every backend of one thread. Oracles: sums in f64, made here one number at a time; for attention
 * and activations the formulas in f64, in src/decoder.
 */
import { type Compute, referenceCompute, wasmCompute } from "@requant/calibrate";
import { afterAll, describe, expect, it } from "vitest";
import { bound, momentShapes, momentsError, numbers, productError } from "./numbers.ts";

const backends: readonly { readonly name: string; readonly compute: Compute }[] = [
  { name: "TypeScript", compute: referenceCompute },
  { name: "kernels without fused sums", compute: wasmCompute({ fused: false }) },
  { name: "kernels", compute: wasmCompute() },
];
const plain = referenceCompute;
const kernelBackends = backends.slice(1);
afterAll(async () => {
  for (const { compute } of backends) await compute.close();
});

/** Edges of panels (4, 8), of blocks of steps (256) and of tiles (128, 256, 512), and one past them. */
const shapes = [
  [1, 1, 1],
  [3, 5, 7],
  [4, 8, 256],
  [5, 9, 257],
  [33, 70, 600],
  [129, 257, 65],
  [513, 130, 31],
] as const;

describe.each(backends)("$name", ({ compute }) => {
  it.each(shapes)("multiplies [%d, k] with [%d, k], k = %d", async (...shape) => {
    expect(await productError(compute, shape)).toBeLessThan(bound(shape[2]));
  });

  it.each(momentShapes)("adds the moments of [%d, %d]", async (tokens, columns) => {
    expect(await momentsError(compute, tokens, columns)).toBeLessThan(bound(tokens));
  });
});

const cases = [
  { name: "one token", tokens: 1, heads: 1, keyHeads: 1, headLength: 4, cap: 0, reach: 0 },
  { name: "one block", tokens: 50, heads: 2, keyHeads: 1, headLength: 64, cap: 0, reach: 0 },
  { name: "several blocks", tokens: 333, heads: 4, keyHeads: 2, headLength: 32, cap: 0, reach: 0 },
  { name: "an odd head", tokens: 130, heads: 3, keyHeads: 3, headLength: 37, cap: 0, reach: 0 },
  { name: "a long head", tokens: 70, heads: 1, keyHeads: 1, headLength: 512, cap: 0, reach: 0 },
  {
    name: "a head that is too long for the kernel",
    tokens: 5,
    heads: 1,
    keyHeads: 1,
    headLength: 520,
    cap: 0,
    reach: 0,
  },
  { name: "bounded scores", tokens: 200, heads: 2, keyHeads: 1, headLength: 16, cap: 3, reach: 0 },
  { name: "a short reach", tokens: 400, heads: 2, keyHeads: 2, headLength: 16, cap: 0, reach: 40 },
  { name: "a reach of one", tokens: 129, heads: 1, keyHeads: 1, headLength: 8, cap: 0, reach: 1 },
  {
    name: "a reach longer than the window",
    tokens: 129,
    heads: 1,
    keyHeads: 1,
    headLength: 8,
    cap: 0,
    reach: 500,
  },
];

describe("attention", () => {
  it.each(cases)("of $name", async ({ tokens, heads, keyHeads, headLength, cap, reach }) => {
    const window = {
      queries: numbers(tokens * heads * headLength, 1, 2),
      keys: numbers(tokens * keyHeads * headLength, 2, 2),
      values: numbers(tokens * keyHeads * headLength, 3),
      tokens,
      heads,
      keyHeads,
      headLength,
      scale: 1 / Math.sqrt(headLength),
      cap,
      reach,
    };
    const expected = new Float32Array(window.queries.length);
    await plain.attention([{ ...window, out: expected }]);
    for (const { compute } of kernelBackends) {
      const out = new Float32Array(expected.length).fill(Number.NaN);
      await compute.attention([{ ...window, out }]);
      let worst = 0;
      for (const [i, value] of expected.entries()) {
        const difference = Math.abs((out[i] ?? Number.NaN) - value);
        worst = Math.max(worst, difference);
      }
      expect(worst).toBeLessThan(3e-6);
    }
  });

  it("of scores that differ by more than f32 can tell apart has no NaN", async () => {
    const queries = Float32Array.of(3e4, 3e4, -3e4);
    const keys = Float32Array.of(1, -1, 3e3);
    const values = Float32Array.of(1, 2, 3);
    const shape = { tokens: 3, heads: 1, keyHeads: 1, headLength: 1, scale: 1, cap: 0, reach: 0 };
    for (const { compute } of kernelBackends) {
      const out = new Float32Array(3);
      await compute.attention([{ ...shape, queries, keys, values, out }]);
      expect([...out]).toEqual([1, 1, 2]);
    }
  });
});

describe("activations", () => {
  const special = [0, -0, 1e-30, 20, -20, 87, -87, 90, -90, 1e4, -1e4];

  it.each(["silu", "gelu"] as const)("%s, with a gate and without", async (kind) => {
    const x = Float32Array.of(...special, ...numbers(20001, 4, 12));
    const up = numbers(x.length, 5);
    const alone = x.slice();
    const gated = up.slice();
    await plain.activate(kind, undefined, alone);
    await plain.activate(kind, x, gated);
    for (const { compute } of kernelBackends) {
      const ownAlone = x.slice();
      const ownGated = up.slice();
      await compute.activate(kind, undefined, ownAlone);
      await compute.activate(kind, x, ownGated);
      for (const [expected, found] of [[alone, ownAlone] as const, [gated, ownGated] as const]) {
        for (const [i, value] of expected.entries()) {
          expect(Math.abs((found[i] ?? Number.NaN) - value)).toBeLessThanOrEqual(
            1e-6 * Math.abs(value) + 1e-6,
          );
        }
      }
    }
  });
});
