import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { showTensor } from "../state/tensor.ts";
import { strings } from "../strings.ts";
import { Grid } from "../ui/grid.tsx";
import { filterTexts, matchingRows } from "../ui/row-filter.ts";
import { byOrder, type Order } from "../ui/row-order.ts";
import { type ColumnName, columns, filterText } from "./tensor-list.ts";

/** The list of tensors: a grid of which only the visible rows exist. */
export function Tensors({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.tensors;
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order<ColumnName> | undefined>(undefined);
  const texts = useMemo(() => filterTexts(model.tensors, filterText), [model.tensors]);
  const sorted = useMemo(() => byOrder(model.tensors, columns, order), [model.tensors, order]);
  const shown = useMemo(() => matchingRows(sorted, texts, filter), [sorted, texts, filter]);
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
        onChoose={({ name }) => showTensor(model.id, name)}
      />
    </section>
  );
}
