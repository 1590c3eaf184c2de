/** Filters and sorts a list of tensors that may have a hundred thousand entries: what is compared is made once for each. */
import { elementCount } from "@requant/core";
import type { OpenedModel } from "../host/methods/open.ts";
import { type GridColumn, type Order as GridOrder, sortedBy } from "../ui/grid-order.ts";
import { byteQuantity, shapeText } from "../ui/quantity.ts";

export type Tensor = OpenedModel["tensors"][number];

function bitsOf(tensor: Tensor): number {
  const count = elementCount(tensor.shape);
  return count === 0 ? 0 : (tensor.byteLength * 8) / count;
}

export const columns = {
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
} satisfies Record<string, GridColumn<Tensor>>;

export type ColumnName = keyof typeof columns;

export type Order = GridOrder<ColumnName>;

/** A tensor with the text that a filter looks in. */
export interface Entry {
  readonly tensor: Tensor;
  readonly text: string;
}

export function entriesOf(tensors: readonly Tensor[]): readonly Entry[] {
  return tensors.map((tensor) => ({
    tensor,
    text: `${tensor.name} ${tensor.encoding} ${tensor.file}`.toLowerCase(),
  }));
}

export function sortedEntries(entries: readonly Entry[], order: Order | undefined): readonly Entry[] {
  if (order === undefined) return entries;
  const { value } = columns[order.column];
  return sortedBy(entries, ({ tensor }) => value(tensor), order.descending);
}

/** The tensors that have each word of the filter in their name, encoding or file. */
export function matchingTensors(entries: readonly Entry[], filter: string): readonly Tensor[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return entries.filter(({ text }) => words.every((word) => text.includes(word))).map(({ tensor }) => tensor);
}
