import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import type { ScaleFigures } from "../../host/figures/scales.ts";
import type { StoredCodes } from "../../host/figures/stored-codes.ts";
import { strings } from "../../strings.ts";
import { CellsPicture } from "../../ui/cells-picture.tsx";
import { type Colour, sequentialColour } from "../../ui/colours.ts";
import { Legend } from "../../ui/legend.tsx";
import { figure } from "../../ui/quantity.ts";
import { Groups } from "./groups.tsx";
import { membersOf } from "./members.ts";
import { Numbers } from "./numbers.tsx";

const MOST_ROWS = 256;

/** Smallest and largest magnitude of the scales that are not 0. */
function rangeOf({ groups, cells }: ScaleFigures): readonly [smallest: number, largest: number] {
  let largest = 0;
  for (const group of groups) largest = Math.max(largest, group.largest);
  let smallest = largest;
  for (const group of groups) if (group.smallest > 0) smallest = Math.min(smallest, group.smallest);
  for (const value of cells.values) if (value > 0) smallest = Math.min(smallest, value);
  return [smallest, largest];
}

/** Half-open numbers of a cell, as a person reads them. */
function span(cell: number, step: number, all: number): string {
  const last = Math.min(all, (cell + 1) * step) - 1;
  return last === cell * step ? String(last) : `${String(cell * step)}–${String(last)}`;
}

/** The scale of each row and group. */
export function Scales({ stored: { scales, zeroPoints } }: { readonly stored: StoredCodes }): JSX.Element {
  const text = strings.tensor.scales;
  const { groups, cells, rows, groupOfColumn } = scales;
  const [smallest, largest] = useMemo(() => rangeOf(scales), [scales]);
  const colour = useCallback(
    (scale: number): Colour =>
      sequentialColour(
        scale <= 0 || smallest === largest ? 0 : Math.log(scale / smallest) / Math.log(largest / smallest),
      ),
    [smallest, largest],
  );
  const rowsPerCell = Math.ceil(rows / Math.max(1, cells.width));
  const groupsPerCell = Math.ceil(groups.length / Math.max(1, cells.height));
  const { firsts, counts } = useMemo(() => membersOf(groupOfColumn, groups.length), [scales]);
  const shown = groups.slice(0, MOST_ROWS);
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <p>
        {text.about(figure(smallest), figure(largest))} {scales.zeros === 0 ? null : text.zeros(scales.zeros)}{" "}
        {scales.negatives === 0 ? null : text.negatives(scales.negatives)}{" "}
        {zeroPoints === undefined ? null : text.zeroPoint(zeroPoints[0], zeroPoints[1])}
      </p>
      <CellsPicture
        label={text.strip}
        cells={cells}
        height={Math.max(28, Math.min(256, cells.height * 6))}
        colour={colour}
        describe={(column, row) =>
          text.cell(
            span(column, rowsPerCell, rows),
            span(row, groupsPerCell, groups.length),
            figure(cells.values[row * cells.width + column] ?? 0),
          )
        }
      />
      <Legend
        label={text.legend}
        ticks={[figure(smallest), figure(Math.sqrt(smallest * largest)), figure(largest)]}
        colour={sequentialColour}
      />
      <Numbers
        caption={text.table}
        columns={[
          { name: text.group, isNumber: true },
          { name: text.firstColumn, isNumber: true },
          { name: text.columnCount, isNumber: true },
          { name: text.smallest, isNumber: true },
          { name: text.mean, isNumber: true },
          { name: text.largest, isNumber: true },
        ]}
        rows={shown.map((group, index) => [
          String(index),
          String(firsts[index] ?? 0),
          figure(counts[index] ?? 0),
          figure(group.smallest),
          figure(group.mean),
          figure(group.largest),
        ])}
      />
      {shown.length === groups.length ? null : <p class="quiet">{text.some(shown.length, groups.length)}</p>}
      <Groups scales={scales} />
    </section>
  );
}
