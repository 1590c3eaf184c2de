/** Filters and sorts a list of tensors that may have a hundred thousand entries: what is compared is made once for each. */
import { elementCount } from "@requant/core";
import type { OpenedModel } from "../host/methods/open.ts";
import { byteQuantity, shapeText } from "../ui/quantity.ts";

export type Tensor = OpenedModel["tensors"][number];

interface Column {
  readonly isNumber?: true;
  text(tensor: Tensor): string;
  /** What rows are sorted by. */
  value(tensor: Tensor): string | number;
}

function bitsOf(tensor: Tensor): number {
  const count = elementCount(tensor.shape);
  return count === 0 ? 0 : (tensor.byteLength * 8) / count;
}

export const columns = {
  name: { text: ({ name }) => name, value: ({ name }) => numbersInOrder(name) },
  shape: { text: ({ shape }) => shapeText(shape), value: ({ shape }) => elementCount(shape) },
  encoding: { text: ({ encoding }) => encoding, value: ({ encoding }) => numbersInOrder(encoding) },
  byteLength: {
    isNumber: true,
    text: ({ byteLength }) => byteQuantity(byteLength),
    value: ({ byteLength }) => byteLength,
  },
  bitsPerWeight: { isNumber: true, text: (tensor) => bitsOf(tensor).toFixed(2), value: bitsOf },
  file: { text: ({ file }) => file, value: ({ file }) => numbersInOrder(file) },
} satisfies Record<string, Column>;

export type ColumnName = keyof typeof columns;

export function columnOf(name: ColumnName): Column {
  return columns[name];
}

export interface Order {
  readonly column: ColumnName;
  readonly descending: boolean;
}

/** A text whose plain order puts "layers.2" before "layers.10". */
function numbersInOrder(text: string): string {
  return text.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

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
  const { value } = columnOf(order.column);
  const sign = order.descending ? -1 : 1;
  return entries
    .map((entry) => ({ entry, key: value(entry.tensor) }))
    .sort((a, b) => sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ entry }) => entry);
}

/** The tensors that have each word of the filter in their name, encoding or file. */
export function matchingTensors(entries: readonly Entry[], filter: string): readonly Tensor[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return entries.filter(({ text }) => words.every((word) => text.includes(word))).map(({ tensor }) => tensor);
}
