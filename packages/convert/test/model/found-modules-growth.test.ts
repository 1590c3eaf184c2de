/**
 * Steps of finding packed modules, counted by V8: the same work has the same count, however busy the machine is. A quadratic
 * part anywhere would show as an exponent of 2.
 */

import { expect, it } from "vitest";
import { countSteps } from "../../../../fixtures/count-steps.ts";

const { weightFormats } = await import("../../src/formats.ts");
const { foundModules } = await import("../../src/model/found-modules.ts");

const SIZES = [8000, 16_000, 32_000, 64_000] as const;
const SUFFIXES = ["qweight", "qzeros", "scales", "bias"] as const;

function stepsFor(size: number): number {
  const tensors = Array.from({ length: size }, (_, i) => ({
    name: `model.layers.${i >> 2}.proj.${SUFFIXES[i % SUFFIXES.length]}`,
    shape: [2, 2],
    encoding: "I32",
    byteOffset: 0,
    byteLength: 16,
    file: "m",
  }));
  return countSteps(() => {
    expect(foundModules(tensors, weightFormats, undefined)).toHaveLength(size / SUFFIXES.length);
  });
}

it("finds packed modules in steps that grow as the tensors do", () => {
  const steps = SIZES.map(stepsFor);
  const exponents = steps.slice(1).map((count, i) => Math.log2(count / (steps[i] ?? 1)));
  console.log(`steps ${steps.join(", ")}`);
  expect(steps[0]).toBeGreaterThan(SIZES[0]);
  for (const exponent of exponents) expect(exponent).toBeLessThan(1.02);
});
