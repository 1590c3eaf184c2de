import type { JSX } from "preact";
import { strings } from "../../../strings.ts";
import { figure } from "../../../ui/quantity.ts";
import { Numbers } from "../numbers.tsx";
import type { Place } from "./moves.ts";
import type { Size } from "./viewport.ts";

interface AroundProps {
  readonly cursor: Place;
  readonly tensor: Size;
  readonly step: number;
  /** Undefined where it was not read. */
  valueAt(place: Place): number | undefined;
}

const ROWS = 9;
const COLUMNS = 7;

/** As many cells in one direction as fit, the cursor's in the middle. */
function cellsAround(place: number, most: number, step: number, all: number): number[] {
  const count = Math.min(most, Math.ceil(all / step));
  const middle = Math.floor(place / step);
  const last = Math.ceil(all / step) - count;
  const first = Math.max(0, Math.min(last, middle - Math.floor(most / 2)));
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

/** The numbers that the heat map shows near its cursor. */
export function Around({ cursor, tensor, step, valueAt }: AroundProps): JSX.Element {
  const text = strings.tensor.heat;
  const rows = cellsAround(cursor.row, ROWS, step, tensor.height);
  const columns = cellsAround(cursor.column, COLUMNS, step, tensor.width);
  return (
    <Numbers
      caption={text.numbers}
      columns={[
        { name: text.row, isNumber: true },
        ...columns.map((column) => ({ name: String(column), isNumber: true })),
      ]}
      rows={rows.map((row) => [
        String(row),
        ...columns.map((column) => {
          const value = valueAt({ row, column });
          return value === undefined ? "" : figure(value);
        }),
      ])}
    />
  );
}
