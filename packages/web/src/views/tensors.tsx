import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { useId, useMemo, useRef, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { showTensor } from "../state/tensor.ts";
import { strings } from "../strings.ts";
import { byteQuantity, shapeText } from "../ui/quantity.ts";
import { useVirtualRows } from "../ui/use-virtual-rows.ts";

type Tensor = OpenedModel["tensors"][number];
type ColumnName = keyof typeof strings.tensors.columns;

interface Column {
  readonly isNumber?: true;
  text(tensor: Tensor): string;
  /** What rows are sorted by. */
  value(tensor: Tensor): string | number;
}

const bitsOf = (tensor: Tensor): number => {
  const count = elementCount(tensor.shape);
  return count === 0 ? 0 : (tensor.byteLength * 8) / count;
};

const columns: Readonly<Record<ColumnName, Column>> = {
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

const columnNames = Object.keys(columns) as ColumnName[];
const ROW_HEIGHT = 30;

interface Order {
  readonly column: ColumnName;
  readonly descending: boolean;
}

function byOrder(tensors: readonly Tensor[], order: Order | undefined): readonly Tensor[] {
  if (order === undefined) return tensors;
  const { value } = columns[order.column];
  const sign = order.descending ? -1 : 1;
  const collator = new Intl.Collator("en", { numeric: true });
  return [...tensors].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return (
      sign * (typeof x === "number" && typeof y === "number" ? x - y : collator.compare(String(x), String(y)))
    );
  });
}

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

/** The list of tensors: a grid of which only the visible rows exist. */
export function Tensors({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.tensors;
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order | undefined>(undefined);
  const shown = useMemo(
    () => byOrder(matching(model.tensors, filter), order),
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
                  title={columns[column].text(tensor)}
                >
                  {columns[column].text(tensor)}
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
          onOrder({ column, descending: isSorted ? !order.descending : columns[column].isNumber === true })
        }
      >
        {strings.tensors.columns[column]}
        <span aria-hidden="true">{direction === "none" ? "" : direction === "descending" ? " ↓" : " ↑"}</span>
      </button>
    </div>
  );
}
