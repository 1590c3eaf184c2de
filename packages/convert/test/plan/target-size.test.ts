/** Oracle: the sizes of the planned files, against the size that was asked for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  expectedStatistics,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  type StatisticsIndex,
  type TargetSize,
} from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { llamaShape, makeTrueShape } from "../../../../fixtures/true-shapes.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));

async function planOf(path: string, targetSize: TargetSize, target = "gguf:auto"): Promise<Plan> {
  const model = await openModel({ store: directoryStore(path) });
  return planConversion(model, parseTarget(target), { targetSize });
}

function bitsOf({ tensors }: Plan): number {
  const weights = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return (8 * tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)) / weights;
}

describe("a size that is asked for", () => {
  it.each([1_100_000, 1_390_000, 2_000_000])(
    "%i bytes are reached within a thousandth",
    async (byteLength) => {
      const plan = await planOf(kjv, { byteLength });
      expect(plan.byteLength).toBeLessThanOrEqual(byteLength);
      expect(plan.byteLength).toBeGreaterThan(0.999 * byteLength);
      expect(plan.findings.some(({ code }) => code === "sized-types")).toBe(true);
    },
  );

  it.each([3.341, 4.164, 4.904, 6])("%f bits per weight are reached within a thousandth", async (bits) => {
    const plan = await planOf(kjv, { bitsPerWeight: bits });
    expect(bitsOf(plan)).toBeLessThanOrEqual(bits);
    expect(bitsOf(plan)).toBeGreaterThan(0.999 * bits);
  });

  it.each([
    [{ bitsPerWeight: 1 }, /smallest possible is 2\.\d+ bits per weight, the largest 8\.5\d+/],
    [{ byteLength: 9_000_000 }, /smallest possible is \d+ bytes, the largest \d+ bytes/],
  ])("%j is refused with what is possible", async (size, message) => {
    await expect(planOf(kjv, size)).rejects.toThrow(message);
  });

  it("a target that names its types is refused, with the one that does not", async () => {
    await expect(planOf(kjv, { bitsPerWeight: 4 }, "gguf:q4_k_m")).rejects.toMatchObject({
      hint: expect.stringContaining("gguf:auto"),
    });
  });
});

describe("statistics that are read while a plan is made", () => {
  /** Inputs of independent columns, each weight's own; weights of a layer's attention, and of its first half, share theirs. */
  async function countedStatistics(): Promise<{ statistics: StatisticsIndex; reads: string[] }> {
    const model = await openModel({ store: directoryStore(kjv) });
    const { entries, shared } = await expectedStatistics(model);
    await model.close();
    const reads: string[] = [];
    const read = async (name: string) => {
      reads.push(name);
      const columns = entries.get(name)?.columns ?? 0;
      const moments = new Float32Array(columns * columns);
      for (let column = 0; column < columns; column++) moments[column * (columns + 1)] = 1 + (column % 7);
      return { columns, tokens: 1000, moments, meanAbs: new Float32Array(columns).fill(1) };
    };
    return { statistics: { entries, shared, read }, reads };
  }

  it.each([
    ["exl2:auto", "blk.0.attn_q.weight"],
    ["gguf:auto", "blk.0.attn_q.weight"],
  ])("%s: those of inputs that weights share are read once", async (target, name) => {
    const model = await openModel({ store: directoryStore(kjv) });
    const { statistics, reads } = await countedStatistics();
    await planConversion(model, parseTarget(target), { statistics, targetSize: { bitsPerWeight: 4 } });
    await model.close();
    expect(reads).toContain(name);
    expect(reads.filter((read, index) => reads.indexOf(read) !== index)).toEqual([]);
  });
});

describe("a model of a real vocabulary", () => {
  const folder = mkdtempSync(join(tmpdir(), "requant-target-size-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("4.5 bits per weight are reached within a thousandth", async () => {
    const sizes = { hidden: 1024, feedForward: 3584, layers: 4, heads: 8, shardCount: 1 };
    const { path } = makeTrueShape(folder, llamaShape("llama", sizes));
    const plan = await planOf(path, { bitsPerWeight: 4.5 });
    expect(bitsOf(plan)).toBeLessThanOrEqual(4.5);
    expect(bitsOf(plan)).toBeGreaterThan(0.999 * 4.5);
  });
});
