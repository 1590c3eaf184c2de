/** The columns of the list of tensors, which may have a hundred thousand rows, and what its filter looks in. */
import { elementCount } from "@requant/core";
import type { OpenedModel } from "../host/methods/open.ts";
import type { strings } from "../strings.ts";
import { byteQuantity, shapeText } from "../ui/quantity.ts";
import type { GridColumn } from "../ui/row-order.ts";

export type Tensor = OpenedModel["tensors"][number];
export type ColumnName = keyof typeof strings.tensors.columns;

function bitsOf(tensor: Tensor): number {
  const count = elementCount(tensor.shape);
  return count === 0 ? 0 : (tensor.byteLength * 8) / count;
}

export const columns: Readonly<Record<ColumnName, GridColumn<Tensor>>> = {
  name: { text: ({ name }) => name, value: ({ name }) => name },
  shape: { text: ({ shape }) => shapeText(shape), value: ({ shape }) => elementCount(shape) },
  encoding: { text: ({ encoding }) => encoding, value: ({ encoding }) => encoding },
  byteLength: {
    isNumber: true,
    text: ({ byteLength }) => byteQuantity(byteLength),
    value: ({ byteLength }) => byteLength,
  },
  bitsPerWeight: { isNumber: true, text: (tensor) => bitsOf(tensor).toFixed(2), value: bitsOf },
  file: { text: ({ file }) => file, value: ({ file }) => file },
};

/** The text of a tensor that a filter looks in. */
export function filterText({ name, encoding, file }: Tensor): string {
  return `${name} ${encoding} ${file}`;
}
