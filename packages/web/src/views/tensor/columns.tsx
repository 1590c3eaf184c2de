import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { ColumnFigures } from "../../host/figures/columns.ts";
import type { Cells } from "../../host/figures/scales.ts";
import { strings } from "../../strings.ts";
import { CellsPicture } from "../../ui/cells-picture.tsx";
import { type Colour, sequentialColour } from "../../ui/colours.ts";
import { Legend } from "../../ui/legend.tsx";
import { figure } from "../../ui/quantity.ts";
import { Table } from "../../ui/table.tsx";

const MOST_CELLS = 1024;
const WORST = 12;
/** Where the colours end: sixteen times the median. */
const DOUBLINGS = 4;

function medianOf(values: Float32Array): number {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function ratioColour(ratio: number): Colour {
  return sequentialColour(Math.log2(Math.max(1, ratio)) / DOUBLINGS);
}

/** Which columns are much larger than the others. */
export function Columns({ columns: { rms, largest } }: { readonly columns: ColumnFigures }): JSX.Element {
  const text = strings.tensor.columns;
  const median = useMemo(() => medianOf(rms), [rms]);
  const ratio = (column: number): number => (median === 0 ? 0 : (rms[column] ?? 0) / median);
  const worst = useMemo(
    () =>
      Array.from(rms, (_, column) => column)
        .sort((a, b) => (rms[b] ?? 0) - (rms[a] ?? 0))
        .slice(0, WORST),
    [rms],
  );
  const perCell = Math.max(1, Math.ceil(rms.length / MOST_CELLS));
  const cells = useMemo((): Cells => {
    const values = new Float32Array(Math.ceil(rms.length / perCell));
    for (let column = 0; column < rms.length; column++) {
      const cell = Math.floor(column / perCell);
      values[cell] = Math.max(values[cell] ?? 0, ratio(column));
    }
    return { width: values.length, height: 1, values };
  }, [rms]);
  const first = worst[0] ?? 0;
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <p>{text.about(figure(median), figure(ratio(first)))}</p>
      <CellsPicture
        label={text.strip}
        cells={cells}
        height={28}
        colour={ratioColour}
        describe={(cell) =>
          `${text.columns(cell * perCell, Math.min(rms.length, (cell + 1) * perCell) - 1)}: ${figure(cells.values[cell] ?? 0)} ${text.ratio}`
        }
      />
      <Legend label={text.legend} ticks={["1", "2", "4", "8", "16"]} colour={sequentialColour} />
      <Table
        caption={text.table}
        columns={[
          { name: text.column, isNumber: true },
          { name: text.rms, isNumber: true },
          { name: text.ratio, isNumber: true },
          { name: text.largest, isNumber: true },
        ]}
        rows={worst.map((column) => [
          String(column),
          figure(rms[column] ?? 0),
          ratio(column).toFixed(2),
          figure(largest[column] ?? 0),
        ])}
      />
    </section>
  );
}
