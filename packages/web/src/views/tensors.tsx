import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { strings } from "../strings.ts";
import { byOrder, Grid, type GridColumn, type Order } from "../ui/grid.tsx";
import { byteQuantity, shapeText } from "../ui/quantity.ts";

type Tensor = OpenedModel["tensors"][number];
type ColumnName = keyof typeof strings.tensors.columns;

const bitsOf = (tensor: Tensor): number => {
  const count = elementCount(tensor.shape);
  return count === 0 ? 0 : (tensor.byteLength * 8) / count;
};

const columns: Readonly<Record<ColumnName, GridColumn<Tensor>>> = {
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

function matching(tensors: readonly Tensor[], filter: string): readonly Tensor[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return tensors;
  return tensors.filter(({ name, encoding, file }) => {
    const text = `${name} ${encoding} ${file}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

interface TensorsProps {
  readonly model: OpenedModel;
  readonly onChoose?: (name: string) => void;
}

/** The list of tensors: a grid of which only the visible rows exist. */
export function Tensors({ model, onChoose }: TensorsProps): JSX.Element {
  const text = strings.tensors;
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order<ColumnName> | undefined>(undefined);
  const shown = useMemo(
    () => byOrder(matching(model.tensors, filter), columns, order),
    [model.tensors, filter, order],
  );
  const filterId = useId();
  return (
    <section class="tensors">
      <div class="row">
        <label for={filterId}>{text.filter}</label>
        <input
          id={filterId}
          type="search"
          value={filter}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
        <output>{text.count(shown.length, model.tensors.length)}</output>
      </div>
      <Grid
        label={text.grid}
        layout="grid-tensors"
        rows={shown}
        columns={columns}
        titles={text.columns}
        order={order}
        onOrder={setOrder}
        onChoose={({ name }) => onChoose?.(name)}
      />
    </section>
  );
}
