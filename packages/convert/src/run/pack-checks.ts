/** What is checked while a weight is packed: that each value is finite, and how much the values change. */
import { ConversionError, rowLength } from "@requant/core";
import type { PartBytes, WeightEncoder } from "@requant/core/format";
import { openWeight } from "@requant/models";
import type { Model } from "../model/model.ts";
import { type BandOptions, weightSource } from "../model/weight-source.ts";
import { findNonFinite, movedNonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { Comparison } from "./comparison.ts";
import { comparer } from "./comparison-twin.ts";
import { firstNonFinite } from "./error-meter-twin.ts";
import { packingBands, withRooms } from "./pack-bands.ts";
import { nonFiniteRefusal, type RefusedTask } from "./refuse-non-finite.ts";

/** Names the weight that a codec refuses in rows from `start` on: the codec knows neither the tensor nor its source. */
export function naming<T>(
  model: Model,
  task: RefusedTask,
  values: Float32Array,
  start: number,
  pack: () => T,
): T {
  try {
    return pack();
  } catch (error) {
    if (!(error instanceof ConversionError) || error.tensor !== undefined) throw error;
    const { message, hint, index } = error;
    refuseNonFinite(model, task, values, values, start);
    if (index === undefined) throw new ConversionError(message, { tensor: task.name, hint, cause: error });
    const at = start * rowLength(task.shape) + index;
    const value = values[index] ?? Number.NaN;
    const made = {
      count: 1,
      index: at,
      value,
      stored: value < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
      largest: value,
      largestIndex: at,
    };
    throw nonFiniteRefusal(model, task, { made });
  }
}

/** @throws ConversionError where a weight is not finite, or not once it is packed; `start` is the first row */
export function refuseNonFinite(
  model: Model,
  task: RefusedTask,
  values: Float32Array,
  decoded: Float32Array,
  start: number,
): void {
  if (firstNonFinite(values) === values.length && firstNonFinite(decoded) === decoded.length) return;
  const found = findNonFinite(values, decoded);
  if (found === undefined) return;
  throw nonFiniteRefusal(model, task, movedNonFinite(found, start * rowLength(task.shape)));
}

/** Compares the packed weight, decoded again, with the source. */
export async function compared(
  model: Model,
  task: PlanTensor,
  encoder: WeightEncoder,
  bytes: PartBytes,
  options: BandOptions,
): Promise<Comparison> {
  const bands = packingBands(model, task.shape, encoder, options);
  const measure = comparer();
  const weight = encoder.open(bytes);
  const floats = openWeight(task, weightSource(model));
  return withRooms(bands, weight.columns, async (floatsOf, decodedOf) => {
    for (const { start, end } of bands) {
      options.signal?.throwIfAborted();
      const [values, decoded] = [floatsOf.of(start, end), decodedOf.of(start, end)];
      await floats.readRows(start, end, values);
      weight.dequantize(start, end, decoded);
      measure.add(values, decoded);
      refuseNonFinite(model, task, values, decoded, start);
    }
    return measure.result();
  });
}
