/** A tensor of a model as a checkpoint of floats has it: mostly as it is. */
import type { StoredInput, WeightPlan } from "@requant/models";
import type { ModelTensor } from "./model-tensor.ts";

/** Its name, its shape, and where its rows come from. */
export function ownPlan({
  name,
  shape,
  transposedAs,
}: Pick<ModelTensor, "name" | "shape" | "transposedAs">): WeightPlan {
  const [count = 1, rows = 1, columns = 1] = shape;
  if (transposedAs === undefined || shape.length !== 3) return { name, shape, inputs: [{ tensor: name }] };
  const inputs = Array.from(
    { length: count },
    (_, index): StoredInput => ({
      tensor: name,
      rows: [index * rows, (index + 1) * rows],
      transpose: true,
    }),
  );
  return { name: transposedAs, shape: [count, columns, rows], inputs };
}
