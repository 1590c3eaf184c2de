/** Threads on one memory. Oracle: the bits of one thread, which kernels.test.ts compares with sums in f64. */
import { referenceCompute, wasmCompute } from "@requant/calibrate";
import { nodeThreads } from "@requant/calibrate/node";
import { describe, expect, it } from "vitest";
import { bound, numbers } from "./numbers.ts";

describe("threads", () => {
  it("do not change one bit, and neither does the place of the operands", async () => {
    const [m, n, k] = [700, 300, 520];
    const a = numbers(m * k, 5);
    const b = numbers(n * k, 6);
    const results: Buffer[] = [];
    for (const jobs of [1, 2, 5]) {
      const compute = wasmCompute({ threads: nodeThreads({ jobs }) });
      const inside = [a, b].map((array) => {
        const { values } = compute.allocate(array.length);
        values.set(array);
        return values;
      });
      for (const [left, right] of [[a, b] as const, [inside[0] ?? a, inside[1] ?? b] as const]) {
        const out = new Float32Array(m * n);
        await compute.product(left, right, m, n, k, out);
        results.push(Buffer.from(out.buffer));
        const sums = compute.allocate(k * k).values.fill(0);
        await compute.addMoments(left, m, k, sums);
        const plainSums = new Float32Array(k * k);
        await compute.addMoments(left, m, k, plainSums);
        expect(Buffer.compare(Buffer.from(plainSums.buffer), Buffer.from(sums.slice().buffer))).toBe(0);
        results.push(Buffer.from(plainSums.buffer));
      }
      await compute.close();
    }
    for (let index = 2; index < results.length; index++) {
      expect(results[index]?.equals(results[index % 2] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  it("do not change one bit of attention and activations", async () => {
    const [tokens, heads, headLength] = [300, 3, 24];
    const queries = numbers(tokens * heads * headLength, 1);
    const keys = numbers(tokens * headLength, 2);
    const results: Float32Array[] = [];
    for (const jobs of [1, 3]) {
      const compute = wasmCompute({ threads: nodeThreads({ jobs }) });
      const out = new Float32Array(queries.length);
      const shape = { tokens, heads, keyHeads: 1, headLength, scale: 0.2, cap: 0, reach: 0 };
      await compute.attention([{ ...shape, queries, keys, values: keys, out }]);
      await compute.activate("gelu", queries, out);
      results.push(out);
      await compute.close();
    }
    expect(results[0]?.every(Number.isFinite)).toBe(true);
    expect(results[1]).toEqual(results[0]);
  });

  it("do several tasks one after the other when they are asked for at the same time", async () => {
    const compute = wasmCompute({ threads: nodeThreads({ jobs: 2 }) });
    const [m, n, k] = [130, 130, 130];
    const a = numbers(m * k, 7);
    const b = numbers(n * k, 8);
    const outs = Array.from({ length: 6 }, () => new Float32Array(m * n));
    await Promise.all(outs.map((out) => compute.product(a, b, m, n, k, out)));
    const expected = new Float32Array(m * n);
    await referenceCompute.product(a, b, m, n, k, expected);
    for (const out of outs) {
      expect(out.every((value, index) => Math.abs(value - (expected[index] ?? Number.NaN)) < bound(k))).toBe(
        true,
      );
    }
    await compute.close();
  });

  it("that end by themselves fail the work with a clear refusal", async () => {
    const ends: ((reason: string) => void)[] = [];
    const compute = wasmCompute({
      threads: {
        count: 2,
        start: () => ({ post() {}, listen: (onEnd) => void ends.push(onEnd), async terminate() {} }),
      },
    });
    const [m, n, k] = [130, 130, 130];
    const work = compute.product(numbers(m * k, 1), numbers(n * k, 2), m, n, k, new Float32Array(m * n));
    setTimeout(() => ends[0]?.("it ended with status 1"), 10);
    await expect(work).rejects.toThrow("A thread stopped: it ended with status 1.");
    await expect(
      (async () => compute.product(numbers(1, 1), numbers(1, 1), 1, 1, 1, new Float32Array(1)))(),
    ).rejects.toThrow("A thread stopped");
    await compute.close();
  });
});

describe("a backend", () => {
  it("refuses an array of the wrong length by its name", async () => {
    const two = new Float32Array(2);
    const compute = wasmCompute();
    await expect(async () => compute.product(two, two, 1, 1, 2, two)).rejects.toThrow(
      "The array out has 2 numbers, and 1 are needed.",
    );
    await expect(async () => compute.addMoments(two, 1, 2, two)).rejects.toThrow(
      "The array sums has 2 numbers",
    );
    await compute.close();
  });
});
