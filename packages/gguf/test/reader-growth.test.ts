/** The work of reading a header grows with the header, not faster. Oracle: V8's own counters of what ran. */

import { memorySource } from "@requant/core";
import { installKernels, uninstallKernels } from "@requant/core/kernels";
import { afterEach, beforeEach, expect, it } from "vitest";
import { countStepsOf } from "../../../fixtures/count-steps.ts";
import { layoutGguf, readGguf } from "../src/index.ts";

// the counters do not see what WebAssembly does
beforeEach(uninstallKernels);
afterEach(installKernels);

function stepsToRead(count: number): Promise<number> {
  const value = Array.from({ length: count }, (_, i) => `token ${i}`);
  const { header } = layoutGguf({
    metadata: new Map([["t", { type: "array", elementType: "string", length: count, value }]]),
    // so many that reading pauses inside the table of both sizes: V8 counts more blocks where some calls end early
    tensors: Array.from({ length: count / 4 }, (_, i) => ({ name: `t${i}`, shape: [0], encoding: "F32" })),
  });
  return countStepsOf(() => readGguf(memorySource(header)));
}

it("takes steps that grow with the header, not faster", async () => {
  const [small, large] = [await stepsToRead(10_000), await stepsToRead(160_000)];
  // 10,000 tensors and strings take more steps than there are
  expect(small).toBeGreaterThan(10_000);
  // quadratic growth would give 256
  expect(large / small).toBeLessThan(17);
});
