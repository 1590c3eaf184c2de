/** The fit of each kind of grid: these are the reference's, and kernels replace them. */
import { GroupsSeen } from "./hidden-facts.ts";
import type { HidingType } from "./hidden-grid.ts";
import { type FitRows, integerFit, rowsFit } from "./hidden-scale.ts";
import { float8Fit, mxfp4Fit, nvfp4Fit, type ScaleLevels } from "./hidden-table.ts";

/** Makes the search for one kind of grid in floats of a type. */
export interface GridFits {
  readonly integers: (type: HidingType) => FitRows;
  /** E2M1 with a power of two for a scale. */
  readonly mxfp4: (type: HidingType) => FitRows;
  /** E2M1 with a scale of these levels times the tensor's factor. */
  readonly nvfp4: (type: HidingType, factor: number, levels: ScaleLevels) => FitRows;
  /** E4M3 times a scale. */
  readonly float8: (type: HidingType) => FitRows;
  /** Sums up the groups of one search. */
  readonly seen: () => GroupsSeen;
}

export const referenceFits: GridFits = {
  integers: (type) => rowsFit(integerFit(type)),
  mxfp4: (type) => rowsFit(mxfp4Fit(type)),
  nvfp4: (type, factor, levels) => rowsFit(nvfp4Fit(type, factor, levels)),
  float8: (type) => rowsFit(float8Fit(type)),
  seen: () => new GroupsSeen(),
};
