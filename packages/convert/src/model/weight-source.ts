/** A model as a source of rows for the plans of `@requant/models`. */
import type { WeightSource } from "@requant/models";
import type { Model } from "./model.ts";

export interface BandOptions {
  /** f32 bytes of one band; at least one row is taken. */
  readonly bandByteLength: number;
  readonly signal?: AbortSignal | undefined;
}

/** A source of rows for `@requant/models`, from a model. */
export function weightSource(model: Model): WeightSource {
  return {
    shapeOf: (tensor) => model.tensor(tensor).shape,
    readRows: (tensor, start, end, out) => model.weight(tensor).readRows(start, end, out),
  };
}
