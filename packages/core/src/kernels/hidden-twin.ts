/** The SIMD twins of `GridSearch` and `gridView`: kernels fit many groups in one call. */
import { GridSearch as ReferenceSearch } from "../view/find-hidden-grid.ts";
import { type GridFits, referenceFits } from "../view/grid-fits.ts";
import { GroupsSeen, SUM_LENGTH } from "../view/hidden-facts.ts";
import type { HiddenGrid, HidingType } from "../view/hidden-grid.ts";
import { integerFit, rowsFit, withStorableScale } from "../view/hidden-scale.ts";
import { float8Fit, mxfp4Fit, nvfp4Fit } from "../view/hidden-table.ts";
import * as reference from "../view/hidden-view.ts";
import type { StoredView } from "../view/level-view.ts";
import { gatherInKernel } from "./gather-twin.ts";
import { rowsInKernel } from "./hidden-groups.ts";
import { hiddenKernels } from "./hidden-kernels.ts";
import { kernelAddress, kernelMemory, scratchOffset } from "./memory.ts";

/** As the reference, with kernels. */
export class GridSearch extends ReferenceSearch {
  constructor(rows: number, columns: number, type: HidingType) {
    super(rows, columns, type, kernelFits);
  }
}

/** As the reference, with kernels. @throws UsageError for floats that are not on the grid */
export function gridView(
  values: Float32Array,
  columns: number,
  type: HidingType,
  grid: HiddenGrid,
): StoredView {
  return reference.gridView(values, columns, type, grid, kernelFits);
}

/** As the reference: a kernel sums up the fits that a kernel wrote. */
class SeenInKernel extends GroupsSeen {
  override add(fits: Float64Array, count: number): void {
    const kernel = hiddenKernels.kernel("sumFits");
    const inside = kernelAddress(fits);
    if (kernel === undefined || inside === undefined || count === 0) {
      super.add(fits, count);
      return;
    }
    const out = scratchOffset(2);
    kernel(inside, count, out);
    const sums = new Float64Array(kernelMemory().buffer, out, SUM_LENGTH);
    if (!this.takeSums(sums, count)) super.add(fits, count);
  }
}

const floats = /* @__PURE__ */ new Float32Array(1);
const bits = /* @__PURE__ */ new Uint32Array(floats.buffer);

export const kernelFits: GridFits = {
  integers(type) {
    const kernel = hiddenKernels.kernel("fitHiddenGroups");
    if (kernel === undefined) return referenceFits.integers(type);
    const finish = withStorableScale;
    return rowsInKernel({ type, kernel, reference: integerFit(type), finish, multiple: 4 });
  },
  mxfp4(type) {
    const kernel = hiddenKernels.kernel("fitE2m1Groups");
    if (kernel === undefined) return referenceFits.mxfp4(type);
    return rowsInKernel({ type, kernel, reference: mxfp4Fit(type), multiple: 16 });
  },
  nvfp4(type, factor, levels) {
    const kernel = hiddenKernels.kernel("fitE2m1Groups");
    floats[0] = factor;
    if (kernel === undefined || floats[0] !== factor) return referenceFits.nvfp4(type, factor, levels);
    const scales = { factor: bits[0]!, isBounded: levels === "E4M3" ? 1 : 0 };
    return rowsInKernel({ type, kernel, reference: nvfp4Fit(type, factor, levels), multiple: 16, ...scales });
  },
  float8(type) {
    const kernel = hiddenKernels.kernel("distinctMagnitudes");
    if (kernel === undefined || type !== "BF16") return referenceFits.float8(type);
    return rowsFit(float8Fit(type, gatherInKernel(kernel)));
  },
  seen: () => new SeenInKernel(),
};
