/** The order of the rows of a long table. */
export interface GridColumn<R> {
  readonly isNumber?: true;
  text(row: R): string;
  /** What rows are sorted by. */
  value(row: R): string | number;
}

export interface Order<C> {
  readonly column: C;
  readonly descending: boolean;
}

/** A text whose plain order puts "layers.2" before "layers.10". */
function numbersInOrder(text: string): string {
  return text.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

/** Equal rows stay in their order. The key of a row is made once: there may be 100,000 rows. */
export function sortedBy<T>(
  rows: readonly T[],
  keyOf: (row: T) => string | number,
  descending: boolean,
): readonly T[] {
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => {
      const key = keyOf(row);
      return { row, key: typeof key === "string" ? numbersInOrder(key) : key };
    })
    .sort((a, b) => sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ row }) => row);
}

export function byOrder<R, C extends string>(
  rows: readonly R[],
  columns: Readonly<Record<C, GridColumn<R>>>,
  order: Order<C> | undefined,
): readonly R[] {
  return order === undefined ? rows : sortedBy(rows, columns[order.column].value, order.descending);
}
