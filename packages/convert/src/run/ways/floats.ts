/** Through f32: read, computed where the inputs say so, encoded. */
import { rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import { rowsMaker } from "./make-rows.ts";
import { rowSetOf } from "./row-set.ts";

/** Where values change, the meter gets the result decoded again. */
export const throughFloats: WayRunner = {
  layout(task) {
    return { ...rowUnits(task, rowsOf(task.shape)), sizes: rowSetOf([task]).sizes };
  },
  maker(model, task, guide) {
    const make = rowsMaker(model, rowSetOf([task]), () => guide);
    return async (band, area, meter) => (await make(band, area, [{ member: 0, meter }]))(0);
  },
};
