/** The kernel that sums up fits of groups against `GroupsSeen`, which looks at each. */
import { describe, expect, it } from "vitest";
import { kernelFits } from "../src/kernels/hidden-twin.ts";
import { allocateKernelBuffer, kernelsAreInstalled } from "../src/kernels/index.ts";
import { referenceFits } from "../src/view/grid-fits.ts";
import { FIT_LENGTH, writeFit } from "../src/view/hidden-fits.ts";
import type { GroupFit } from "../src/view/hidden-step.ts";

const fit = (own: Partial<GroupFit>): GroupFit => ({
  scale: 0.5,
  min: -8,
  max: 7,
  exact: true,
  nonzero: 30,
  ...own,
});

const cases: Readonly<Record<string, readonly GroupFit[]>> = {
  "one group": [fit({})],
  "f16 scales": [fit({ scale: 1 + 2 ** -10 }), fit({ scale: 3 * 2 ** -14, min: -3, max: 9 })],
  "bf16 scales": [fit({ scale: 1 + 2 ** -7 }), fit({ scale: 2 ** -100 })],
  "f32 scales": [fit({ scale: 1 + 2 ** -23 }), fit({ scale: 1 })],
  "scales of f64": [fit({ scale: 1 + 2 ** -40 })],
  "a rounded group": [fit({}), fit({ exact: false, min: -7, max: 7 }), fit({ nonzero: 1 })],
  "a group of zeros": [fit({}), fit({ scale: 0, min: 0, max: 0, nonzero: 0 })],
  "only positive levels": [fit({ min: 0, max: 12 }), fit({ min: 0, max: 255 })],
  "levels as far below 0 as above it": [fit({ min: -12, max: 12 }), fit({ min: -6, max: 6 })],
  "a subnormal f16 scale": [fit({ scale: 3 * 2 ** -24 }), fit({})],
  "a scale below those of f16": [fit({ scale: 2 ** -25 }), fit({})],
  "a subnormal bf16 scale": [fit({ scale: 2 ** -127 }), fit({})],
  "a scale above those of f16": [fit({ scale: 65536 }), fit({})],
  "an offset above f16 numbers": [fit({ scale: 32768, min: -3, max: 3 })],
  "an offset of more bits than f16 has": [fit({ scale: 1 + 2 ** -10, min: -127, max: 3 })],
  "a subnormal f16 offset": [fit({ scale: 2 ** -16, min: -1, max: 3 })],
};

describe.runIf(kernelsAreInstalled())("sums of fits", () => {
  it.each(Object.entries(cases))("%s: kernel and reference agree", (_, groups) => {
    const buffer = allocateKernelBuffer(8 * FIT_LENGTH * groups.length);
    const bytes = buffer.bytes(0, 8 * FIT_LENGTH * groups.length);
    const fits = new Float64Array(bytes.buffer, bytes.byteOffset, FIT_LENGTH * groups.length);
    groups.forEach((group, index) => {
      writeFit(fits, index, group);
    });
    const [kernel, reference] = [kernelFits.seen(), referenceFits.seen()];
    // the second call adds to what was seen before
    for (let call = 0; call < 2; call++) {
      kernel.add(fits, groups.length);
      reference.add(new Float64Array(fits), groups.length);
    }
    expect({ ...kernel }).toEqual({ ...reference });
    expect(kernel.groups).toBe(2 * groups.length);
    buffer.release();
  });
});
