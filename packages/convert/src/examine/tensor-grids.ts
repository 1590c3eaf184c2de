import { describeGrid, type HiddenGrid } from "@requant/core/view";
import { findGrid, mayHideGrid } from "../model/hidden-grids.ts";
import type { Model } from "../model/model.ts";

/** What was found in the floats of one tensor. */
export interface TensorGrid {
  readonly name: string;
  readonly encoding: string;
  /** Undefined: the floats lie on no grid that is looked for. */
  readonly grid: HiddenGrid | undefined;
  /** The grid for people; "none" where there is none. */
  readonly description: string;
}

/** The grid of every matrix of plain floats. Reads each tensor that has one once, and of the others some rows. */
export async function tensorGrids(model: Model, signal?: AbortSignal): Promise<TensorGrid[]> {
  const found: TensorGrid[] = [];
  for (const { name, encoding, shape, linear } of model.tensors) {
    if (linear !== undefined || !mayHideGrid({ shape, encoding })) continue;
    const grid = (await findGrid(model, name, signal))?.grid;
    found.push({ name, encoding, grid, description: grid === undefined ? "none" : describeGrid(grid) });
  }
  return found;
}
