/** A model whose weights are read with scales folded in; all else is as in the model itself. */
import { elementCount, rowCount, rowLength, UsageError } from "@requant/core";
import type { Model } from "../model.ts";
import type { ModelTensor } from "../model-tensor.ts";
import { type ReplacedWeight, withReplacedWeights } from "../replaced-weights.ts";
import type { StoredWeight } from "../stored-weight.ts";
import type { AppliedFolding, Folded, FoldedTensor } from "./folded.ts";

type Factors = FoldedTensor & { readonly kind: "factors" };
type Values = FoldedTensor & { readonly kind: "values" };

/**
 * The model with scales folded in: it computes the same as before. Weights that are multiplied are floats in f32, whatever they
 * are stored in; norms keep their type where it holds the divided numbers.
 */
export function foldedModel(
  model: Model,
  scales: Folded,
  { location, findings = [] }: Partial<Pick<AppliedFolding, "location" | "findings">> = {},
): Model {
  const { tensors: folded } = scales;
  const storedAs = new Map(Array.from(folded.keys(), (name) => [name, model.tensor(name).encoding]));
  const replaced = new Map(
    Array.from(folded, ([name, own]): [string, ReplacedWeight] => [
      name,
      {
        encoding: own.kind === "values" ? own.encoding : "F32",
        noView: "its numbers are multiplied by scales that were folded in",
        rows: () =>
          own.kind === "values" ? numbersOf(model.tensor(name), own) : multiplied(model.weight(name), own),
      },
    ]),
  );
  return {
    ...withReplacedWeights(model, replaced),
    folding: { folded: scales, storedAs, location, findings },
  };
}

function numbersOf({ shape, name }: ModelTensor, { values }: Values): StoredWeight["readRows"] {
  if (values.length !== elementCount(shape)) {
    throw new UsageError(`${values.length} numbers do not fit the shape [${shape.join(", ")}].`, {
      tensor: name,
    });
  }
  const length = rowLength(shape);
  return async (rowStart, rowEnd, out) => {
    out.set(values.subarray(rowStart * length, rowEnd * length));
  };
}

function multiplied(weight: StoredWeight, { rows, columns }: Factors): StoredWeight["readRows"] {
  const { shape, name } = weight.tensor;
  const length = rowLength(shape);
  const count = rowCount(shape);
  const matrices = columns === undefined ? 1 : columns.length / length;
  if ((rows !== undefined && rows.length !== count) || !Number.isInteger(count / matrices)) {
    throw new UsageError(`The scales do not fit the shape [${shape.join(", ")}].`, { tensor: name });
  }
  const perMatrix = count / matrices;
  return async (rowStart, rowEnd, out) => {
    await weight.readRows(rowStart, rowEnd, out);
    for (let row = rowStart, at = 0; row < rowEnd; row++) {
      const factor = rows?.[row] ?? 1;
      const from = Math.floor(row / perMatrix) * length;
      for (let column = 0; column < length; column++, at++) {
        out[at] = out[at]! * factor * (columns?.[from + column] ?? 1);
      }
    }
  };
}
