import type { JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import type { GridColumn, Order } from "./row-order.ts";
import { useVirtualRows } from "./use-virtual-rows.ts";

/** As `--row` of the style sheet. */
const ROW_HEIGHT = 28;

interface GridProps<R, C extends string> {
  /** Its accessible name. */
  readonly label: string;
  /** The class that sets the widths of its columns. */
  readonly layout: string;
  readonly rows: readonly R[];
  readonly columns: Readonly<Record<C, GridColumn<R>>>;
  /** What stands above each column. */
  readonly titles: Readonly<Record<C, string>>;
  readonly order: Order<C> | undefined;
  onOrder(order: Order<C>): void;
  onChoose?(row: R): void;
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

/** A long table of which only the visible rows exist. */
export function Grid<R, C extends string>(props: GridProps<R, C>): JSX.Element {
  const { label, layout, rows, columns, titles, order, onOrder, onChoose } = props;
  const columnNames = Object.keys(columns) as C[];
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const [active, setActive] = useState(0);
  const { items, height, scrollTo } = useVirtualRows(scroller, rows.length, ROW_HEIGHT);
  const move = (event: KeyboardEvent): void => {
    const chosen = rows[active];
    if (event.key === "Enter" && chosen !== undefined) onChoose?.(chosen);
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(rows.length - 1, active + step));
    setActive(next);
    scrollTo(next);
  };
  return (
    <div
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      aria-colcount={columnNames.length}
      aria-activedescendant={
        items.some(({ index }) => index === active) ? `${id}-${String(active)}` : undefined
      }
      class={`grid ${layout}`}
      tabIndex={0}
      ref={scroller}
      onKeyDown={move}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" aria-rowindex={1} class="grid-row">
          {columnNames.map((column) => (
            <SortHeader
              key={column}
              column={column}
              title={titles[column]}
              isNumber={columns[column].isNumber === true}
              order={order}
              onOrder={onOrder}
            />
          ))}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" style={{ height: `${String(height)}px` }}>
        {items.map(({ index, start }) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <div
              key={String(index)}
              role="row"
              id={`${id}-${String(index)}`}
              aria-rowindex={index + 2}
              aria-selected={index === active}
              class="grid-row"
              style={{ transform: `translateY(${String(start)}px)` }}
              onClick={() => {
                setActive(index);
                onChoose?.(row);
              }}
            >
              {columnNames.map((column) => (
                <div
                  key={column}
                  role="gridcell"
                  class={columns[column].isNumber === true ? "number" : column}
                  title={columns[column].text(row)}
                >
                  {columns[column].text(row)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface SortHeaderProps<C> {
  readonly column: C;
  readonly title: string;
  readonly isNumber: boolean;
  readonly order: Order<C> | undefined;
  onOrder(order: Order<C>): void;
}

function SortHeader<C extends string>(props: SortHeaderProps<C>): JSX.Element {
  const { column, title, isNumber, order, onOrder } = props;
  const isSorted = order?.column === column;
  const direction = !isSorted ? "none" : order.descending ? "descending" : "ascending";
  return (
    <div role="columnheader" aria-sort={direction} title={title} class={isNumber ? "number" : undefined}>
      <button
        type="button"
        class="sort"
        onClick={() => onOrder({ column, descending: isSorted ? !order.descending : isNumber })}
      >
        {title}
        <span aria-hidden="true">{direction === "none" ? "" : direction === "descending" ? " ↓" : " ↑"}</span>
      </button>
    </div>
  );
}
