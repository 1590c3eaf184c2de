/** The SIMD twins of `types/`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import {
  type BlockCodec,
  blockTwin,
  type Kernel,
  type KernelModule,
  type KernelTable,
  kernelModule,
} from "@requant/core";
import { wasm } from "./generated/kernels.ts";
import { decodedGrid, EIGHT_OF_THREE, FOUR_OF_EIGHT, type GridShape } from "./types/iq/codebook.ts";
import { IQ2_VALUES, IQ3_S_VALUES, IQ3_XXS_VALUES } from "./types/iq/decode.ts";
import {
  IQ1_GRID,
  IQ2_S_GRID,
  IQ2_XS_GRID,
  IQ2_XXS_GRID,
  IQ3_S_GRID,
  IQ3_XXS_GRID,
} from "./types/iq/grids.ts";

function grid(name: string, gaps: string, shape: GridShape, values: readonly number[]): KernelTable {
  return { addressExport: `table${name}`, make: () => decodedGrid(gaps, shape, values) };
}

/** Eight times the values, so that they stay integers when an eighth is added. */
const IQ1_VALUES: readonly number[] = [-8, 0, 8];

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm, {
  dequantizeIQ1_S: /* @__PURE__ */ grid("IQ1", IQ1_GRID, EIGHT_OF_THREE, IQ1_VALUES),
  dequantizeIQ1_M: /* @__PURE__ */ grid("IQ1", IQ1_GRID, EIGHT_OF_THREE, IQ1_VALUES),
  dequantizeIQ2_XXS: /* @__PURE__ */ grid("IQ2_XXS", IQ2_XXS_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ2_XS: /* @__PURE__ */ grid("IQ2_XS", IQ2_XS_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ2_S: /* @__PURE__ */ grid("IQ2_S", IQ2_S_GRID, EIGHT_OF_THREE, IQ2_VALUES),
  dequantizeIQ3_XXS: /* @__PURE__ */ grid("IQ3_XXS", IQ3_XXS_GRID, FOUR_OF_EIGHT, IQ3_XXS_VALUES),
  dequantizeIQ3_S: /* @__PURE__ */ grid("IQ3_S", IQ3_S_GRID, FOUR_OF_EIGHT, IQ3_S_VALUES),
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
