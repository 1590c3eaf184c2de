/** Sorts the rows of long tables: what is compared is made once for each row. */

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
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

/** Rows with equal values stay in their order. Texts come after numbers, and NaN counts as infinite. */
export function byOrder<R, C extends string>(
  rows: readonly R[],
  columns: Readonly<Record<C, GridColumn<R>>>,
  order: Order<C> | undefined,
): readonly R[] {
  if (order === undefined) return rows;
  const { value } = columns[order.column];
  const sign = order.descending ? -1 : 1;
  return rows
    .map((row) => {
      const own = value(row);
      const isNumber = typeof own === "number";
      return {
        row,
        number: isNumber && !Number.isNaN(own) ? own : Number.POSITIVE_INFINITY,
        text: isNumber ? "" : numbersInOrder(own),
      };
    })
    .sort((a, b) => {
      if (a.number !== b.number) return sign * (a.number < b.number ? -1 : 1);
      return sign * (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
    })
    .map(({ row }) => row);
}
