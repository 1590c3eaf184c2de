import type { JSX } from "preact";
import { useId, useMemo, useRef, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { showTensor } from "../state/tensor.ts";
import { strings } from "../strings.ts";
import { useVirtualRows } from "../ui/use-virtual-rows.ts";
import {
  type ColumnName,
  columnOf,
  columns,
  entriesOf,
  matchingTensors,
  type Order,
  sortedEntries,
  type Tensor,
} from "./tensor-list.ts";

const columnNames = Object.keys(columns) as ColumnName[];
const ROW_HEIGHT = 30;

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
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
        <output>{text.count(shown.length, model.tensors.length)}</output>
      </div>
      <Grid
        tensors={shown}
        order={order}
        onOrder={setOrder}
        onChoose={(name) => showTensor(model.id, name)}
      />
    </section>
  );
}

interface GridProps {
  readonly tensors: readonly Tensor[];
  readonly order: Order | undefined;
  onOrder(order: Order): void;
  onChoose(name: string): void;
}

/** Keys that move the active row, and by how much. */
const steps: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 20,
  PageUp: -20,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

function Grid({ tensors, order, onOrder, onChoose }: GridProps): JSX.Element {
  const text = strings.tensors;
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const [active, setActive] = useState(0);
  const { items, height, scrollTo } = useVirtualRows(scroller, tensors.length, ROW_HEIGHT);
  const move = (event: KeyboardEvent): void => {
    const chosen = tensors[active];
    if (event.key === "Enter" && chosen !== undefined) onChoose(chosen.name);
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(tensors.length - 1, active + step));
    setActive(next);
    scrollTo(next);
  };
  return (
    <div
      role="grid"
      aria-label={text.grid}
      aria-rowcount={tensors.length + 1}
      aria-colcount={columnNames.length}
      aria-activedescendant={
        items.some(({ index }) => index === active) ? `${id}-${String(active)}` : undefined
      }
      class="grid"
      tabIndex={0}
      ref={scroller}
      onKeyDown={move}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" aria-rowindex={1} class="grid-row">
          {columnNames.map((column) => (
            <SortHeader key={column} column={column} order={order} onOrder={onOrder} />
          ))}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" style={{ height: `${String(height)}px` }}>
        {items.map(({ index, start }) => {
          const tensor = tensors[index];
          if (tensor === undefined) return null;
          return (
            <div
              key={tensor.name}
              role="row"
              id={`${id}-${String(index)}`}
              aria-rowindex={index + 2}
              aria-selected={index === active}
              class="grid-row"
              style={{ transform: `translateY(${String(start)}px)` }}
              onClick={() => {
                setActive(index);
                onChoose(tensor.name);
              }}
            >
              {columnNames.map((column) => (
                <div
                  key={column}
                  role="gridcell"
                  class={`cell-${column}`}
                  title={columnOf(column).text(tensor)}
                >
                  {columnOf(column).text(tensor)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface SortHeaderProps {
  readonly column: ColumnName;
  readonly order: Order | undefined;
  onOrder(order: Order): void;
}

function SortHeader({ column, order, onOrder }: SortHeaderProps): JSX.Element {
  const isSorted = order?.column === column;
  const direction = !isSorted ? "none" : order.descending ? "descending" : "ascending";
  return (
    <div role="columnheader" aria-sort={direction} class={`cell-${column}`}>
      <button
        type="button"
        class="sort"
        onClick={() =>
          onOrder({ column, descending: isSorted ? !order.descending : columnOf(column).isNumber === true })
        }
      >
        {strings.tensors.columns[column]}
        <span aria-hidden="true">{direction === "none" ? "" : direction === "descending" ? " ↓" : " ↑"}</span>
      </button>
    </div>
  );
}
