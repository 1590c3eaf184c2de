/** The work of reading a header grows with the header, not faster. Oracle: V8's own counters of what ran. */

import { memorySource } from "@requant/core";
import { installKernels, uninstallKernels } from "@requant/core/kernels";
import { afterEach, beforeEach, expect, it } from "vitest";
import { countSteps, countStepsOf } from "../../../fixtures/count-steps.ts";
import { layoutGguf, parseGguf, readGguf } from "../src/index.ts";

// the counters do not see what WebAssembly does
beforeEach(uninstallKernels);
afterEach(installKernels);

function headerOf(count: number, tensors: number): Uint8Array {
  const value = Array.from({ length: count }, (_, i) => `token ${i}`);
  return layoutGguf({
    metadata: new Map([["t", { type: "array", elementType: "string", length: count, value }]]),
    tensors: Array.from({ length: tensors }, (_, i) => ({ name: `t${i}`, shape: [0], encoding: "F32" })),
  }).header;
}

function stepsToRead(count: number): Promise<number> {
  // so many tensors that reading pauses inside the table of both sizes: V8 counts more blocks where some calls end early
  const header = headerOf(count, count / 4);
  return countStepsOf(() => readGguf(memorySource(header)));
}

it("takes steps that grow with the header, not faster", async () => {
  const [small, large] = [await stepsToRead(10_000), await stepsToRead(160_000)];
  // 10,000 tensors and strings take more steps than there are
  expect(small).toBeGreaterThan(10_000);
  // quadratic growth would give 256
  expect(large / small).toBeLessThan(17);
});

it.each([true, false])("takes steps that grow with bytes that are all there (kernels: %s)", (kernels) => {
  if (kernels) installKernels();
  const [small, large] = [10_000, 160_000].map((count) => {
    const header = headerOf(count, count / 10);
    return countSteps(() => parseGguf(header));
  });
  expect(small).toBeGreaterThan(10_000);
  expect((large ?? 0) / (small ?? 0)).toBeLessThan(17);
});

it("takes few steps for a tensor that has nothing unusual", () => {
  const [without, thousand] = [0, 1000].map((count) => {
    const { header } = layoutGguf({
      metadata: new Map(),
      tensors: Array.from({ length: count }, (_, i) => ({
        name: `blk.${i}.ffn_down.weight`,
        shape: [64, 256],
        encoding: "Q4_K",
      })),
    });
    const fileByteLength = 1e9;
    return countSteps(() => parseGguf(header, { fileByteLength }));
  });
  // twice as many where small functions check each field
  expect(((thousand ?? 0) - (without ?? 0)) / 1000).toBeLessThan(35);
});
