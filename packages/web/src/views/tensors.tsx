import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { showTensor } from "../state/tensor.ts";
import { strings } from "../strings.ts";
import { Grid } from "../ui/grid.tsx";
import { columns, entriesOf, matchingTensors, type Order, sortedEntries } from "./tensor-list.ts";

/** The list of tensors: a grid of which only the visible rows exist. */
export function Tensors({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.tensors;
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order | undefined>(undefined);
  const entries = useMemo(() => entriesOf(model.tensors), [model.tensors]);
  const sorted = useMemo(() => sortedEntries(entries, order), [entries, order]);
  const shown = useMemo(() => matchingTensors(sorted, filter), [sorted, filter]);
  const filterId = useId();
  return (
    <section class="tensors">
      <div class="row">
        <label for={filterId}>{text.filter}</label>
        <input
          id={filterId}
          type="search"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
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
