import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { ScaleFigures } from "../../host/figures/scales.ts";
import { strings } from "../../strings.ts";
import { type Colour, sequentialColour } from "../../ui/colours.ts";
import { Legend } from "../../ui/legend.tsx";
import { Strip } from "../../ui/strip.tsx";
import { Table } from "../../ui/table.tsx";
import { membersOf } from "./members.ts";
import { percent } from "./values.tsx";

interface BitMixProps {
  readonly scales: ScaleFigures;
  readonly bitsOfColumn: Uint8Array;
}

/** From 1 to 8 bits. */
const bitsColour = (bits: number): Colour => sequentialColour((bits - 1) / 7);

interface Band {
  readonly bits: number;
  readonly start: number;
  readonly end: number;
}

/** Columns are stored group after group: neighbouring groups of the same width are one band. */
function bandsOf({ groupOfColumn, groups }: ScaleFigures, bitsOfColumn: Uint8Array): Band[] {
  const { firsts, counts } = membersOf(groupOfColumn, groups.length);
  const bands: Band[] = [];
  let start = 0;
  firsts.forEach((first, group) => {
    const bits = bitsOfColumn[first] ?? 0;
    const end = start + (counts[group] ?? 0);
    const last = bands.at(-1);
    if (last?.bits === bits) bands[bands.length - 1] = { ...last, end };
    else bands.push({ bits, start, end });
    start = end;
  });
  return bands;
}

/** Where a weight's columns have codes of different widths (EXL2): the widths as they are stored, and by column. */
export function BitMix({ scales, bitsOfColumn }: BitMixProps): JSX.Element {
  const text = strings.tensor.bits;
  const bands = useMemo(() => bandsOf(scales, bitsOfColumn), [scales, bitsOfColumn]);
  const stored = useMemo(() => {
    const widths = new Uint8Array(bitsOfColumn.length);
    for (const { bits, start, end } of bands) widths.fill(bits, start, end);
    return widths;
  }, [bands]);
  const columns = bitsOfColumn.length;
  const sum = bitsOfColumn.reduce((all, bits) => all + bits, 0);
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <p>{text.average((sum / Math.max(1, columns)).toFixed(3))}</p>
      <h4>{text.stored}</h4>
      <Strip label={text.stored} values={stored} colour={bitsColour} describe={text.row} />
      <h4>{text.byColumn}</h4>
      <Strip label={text.byColumn} values={bitsOfColumn} colour={bitsColour} describe={text.column} />
      <Legend
        label={text.legend}
        ticks={["1", "2", "3", "4", "5", "6", "7", "8"]}
        colour={sequentialColour}
      />
      <Table
        caption={text.table}
        columns={[
          { name: text.bits, isNumber: true },
          { name: text.start, isNumber: true },
          { name: text.end, isNumber: true },
          { name: text.count, isNumber: true },
          { name: text.share, isNumber: true },
        ]}
        rows={bands.map(({ bits, start, end }) => [
          String(bits),
          String(start),
          String(end - 1),
          String(end - start),
          percent(end - start, columns),
        ])}
      />
    </section>
  );
}
