/** Products and second moments on every backend. Oracle: sums in f64, made here one number at a time. */
import { type Compute, plainCompute, wasmCompute } from "@requant/calibrate";
import { nodeThreads } from "@requant/calibrate/node";
import { afterAll, describe, expect, it } from "vitest";

function numbers(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Sums of products of numbers within ±1: f32 sums of `steps` such terms are within this of the exact sum. */
const bound = (steps: number): number => 2e-7 * steps + 1e-6;

const backends: readonly { readonly name: string; readonly compute: Compute }[] = [
  { name: "TypeScript", compute: plainCompute() },
  { name: "kernels without fused sums", compute: wasmCompute({ fused: false }) },
  { name: "kernels", compute: wasmCompute() },
  { name: "kernels on three threads", compute: wasmCompute({ threads: nodeThreads({ jobs: 3 }) }) },
];
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
  it.each(shapes)("multiplies [%d, k] with [%d, k], k = %d", async (m, n, k) => {
    const a = numbers(m * k, 1);
    const b = numbers(n * k, 2);
    const out = new Float32Array(m * n).fill(Number.NaN);
    await compute.product(a, b, m, n, k, out);
    let worst = 0;
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let step = 0; step < k; step++) sum += a[row * k + step]! * b[column * k + step]!;
        worst = Math.max(worst, Math.abs(sum - out[row * n + column]!));
      }
    }
    expect(worst).toBeLessThan(bound(k));
  });

  it.each([
    [1, 1],
    [7, 3],
    [300, 37],
    [64, 300],
  ] as const)("adds the moments of [%d, %d]", async (tokens, columns) => {
    const x = numbers(tokens * columns, 3);
    const before = numbers(columns * columns, 4);
    const sums = before.slice();
    await compute.addMoments(x, tokens, columns, sums);
    let worst = 0;
    for (let row = 0; row < columns; row++) {
      for (let column = row; column < columns; column++) {
        let sum = before[row * columns + column]!;
        for (let token = 0; token < tokens; token++) {
          sum += x[token * columns + row]! * x[token * columns + column]!;
        }
        worst = Math.max(worst, Math.abs(sum - sums[row * columns + column]!));
      }
    }
    expect(worst).toBeLessThan(bound(tokens));
  });

  it("refuses an array of the wrong length by its name", async () => {
    if (compute.name === "TypeScript") return expect(compute.name).toBe("TypeScript");
    const two = new Float32Array(2);
    await expect(async () => compute.product(two, two, 1, 1, 2, two)).rejects.toThrow(
      "The array out has 2 numbers, and 1 are needed.",
    );
  });
});

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

  it("do several tasks one after the other when they are asked for at the same time", async () => {
    const compute = wasmCompute({ threads: nodeThreads({ jobs: 2 }) });
    const [m, n, k] = [130, 130, 130];
    const a = numbers(m * k, 7);
    const b = numbers(n * k, 8);
    const outs = Array.from({ length: 6 }, () => new Float32Array(m * n));
    await Promise.all(outs.map((out) => compute.product(a, b, m, n, k, out)));
    const expected = new Float32Array(m * n);
    await plainCompute().product(a, b, m, n, k, expected);
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
