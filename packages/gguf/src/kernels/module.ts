/** The SIMD twins of `types/`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import type { BlockCodec } from "@requant/core";
import {
  blockTwin,
  type Kernel,
  type KernelModule,
  type KernelTable,
  kernelModule,
} from "@requant/core/kernels";
import { wasm } from "../generated/kernels.ts";
import { decodedGrid, EIGHT_OF_THREE, FOUR_OF_EIGHT, type GridShape } from "../types/iq/codebook.ts";
import { IQ2_VALUES, IQ3_S_VALUES, IQ3_XXS_VALUES } from "../types/iq/decode.ts";
import {
  IQ1_GRID,
  IQ2_S_GRID,
  IQ2_XS_GRID,
  IQ2_XXS_GRID,
  IQ3_S_GRID,
  IQ3_XXS_GRID,
} from "../types/iq/grids.ts";
import { kernelCodebook } from "../types/iq/kernel-codebook.ts";

function grid(name: string, gaps: string, shape: GridShape, values: readonly number[]): KernelTable {
  return { export: { says: `table${name}` }, make: () => decodedGrid(gaps, shape, values) };
}

function codebook(name: string, gaps: string, shape: GridShape, distanceCount: number): KernelTable {
  return { export: { isTold: `place${name}` }, make: () => kernelCodebook(gaps, shape, distanceCount) };
}

/** Eight times the values, so that they stay integers when an eighth is added. */
const IQ1_VALUES: readonly number[] = [-8, 0, 8];

const iq1: KernelTable = /* @__PURE__ */ codebook("IQ1", IQ1_GRID, EIGHT_OF_THREE, 3);
const iq2_xxs: KernelTable = /* @__PURE__ */ codebook("IQ2_XXS", IQ2_XXS_GRID, EIGHT_OF_THREE, 2);
const iq2_xs: KernelTable = /* @__PURE__ */ codebook("IQ2_XS", IQ2_XS_GRID, EIGHT_OF_THREE, 2);
const iq2_s: KernelTable = /* @__PURE__ */ codebook("IQ2_S", IQ2_S_GRID, EIGHT_OF_THREE, 1);
const iq3_xxs: KernelTable = /* @__PURE__ */ codebook("IQ3_XXS", IQ3_XXS_GRID, FOUR_OF_EIGHT, 2);
const iq3_s: KernelTable = /* @__PURE__ */ codebook("IQ3_S", IQ3_S_GRID, FOUR_OF_EIGHT, 3);

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm, {
  dequantizeIQ1_S: /* @__PURE__ */ grid("IQ1", IQ1_GRID, EIGHT_OF_THREE, IQ1_VALUES),
  dequantizeIQ1_M: /* @__PURE__ */ grid("IQ1", IQ1_GRID, EIGHT_OF_THREE, IQ1_VALUES),
  dequantizeIQ2_XXS: /* @__PURE__ */ grid("IQ2_XXS", IQ2_XXS_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ2_XS: /* @__PURE__ */ grid("IQ2_XS", IQ2_XS_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ2_S: /* @__PURE__ */ grid("IQ2_S", IQ2_S_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ3_XXS: /* @__PURE__ */ grid("IQ3_XXS", IQ3_XXS_GRID, FOUR_OF_EIGHT, IQ3_XXS_VALUES),
  dequantizeIQ3_S: /* @__PURE__ */ grid("IQ3_S", IQ3_S_GRID, FOUR_OF_EIGHT, IQ3_S_VALUES),
  quantizeWeightedIQ1_S: iq1,
  quantizeIQ1_M: iq1,
  quantizeWeightedIQ1_M: iq1,
  quantizeWeightedIQ2_XXS: iq2_xxs,
  quantizeWeightedIQ2_XS: iq2_xs,
  quantizeIQ2_S: iq2_s,
  quantizeWeightedIQ2_S: iq2_s,
  quantizeIQ3_XXS: iq3_xxs,
  quantizeWeightedIQ3_XXS: iq3_xxs,
  quantizeIQ3_S: iq3_s,
  quantizeWeightedIQ3_S: iq3_s,
});

/** Types whose search compares with the mean square of the whole row when there is an importance matrix. */
const wholeRow: ReadonlySet<string> = /* @__PURE__ */ new Set(["Q4_0", "Q4_1", "Q5_0", "Q5_1"]);

/** The codec with its SIMD twin in front, where there is one. */
export function withKernels(codec: BlockCodec): BlockCodec {
  return blockTwin(codec, kernels, wholeRow.has(codec.name) ? { rowVariance: "addSquares" } : {});
}

/** A kernel of another kind, if it is there and switched on. */
export function kernelOf(name: string): Kernel | undefined {
  return kernels.kernel(name);
}

/** Whether there is a kernel called `dequantize<type>` or `quantize<type>`, and it is switched on. */
export function hasKernel(name: string): boolean {
  return kernels.kernel(name) !== undefined;
}
