import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import type { ScaleFigures } from "../../host/figures/scales.ts";
import { strings } from "../../strings.ts";
import { type Colour, sequentialColour } from "../../ui/colours.ts";
import { Legend } from "../../ui/legend.tsx";
import { figure } from "../../ui/quantity.ts";
import { Strip } from "../../ui/strip.tsx";
import { membersOf } from "./members.ts";
import { Numbers } from "./numbers.tsx";

const MOST_ROWS = 256;
const MOST_NAMED = 12;

/** Which columns share a scale; a picture where act-order scatters them. */
export function Groups({ scales }: { readonly scales: ScaleFigures }): JSX.Element {
  const text = strings.tensor.groups;
  const { groupOfColumn, groups } = scales;
  const { counts } = useMemo(() => membersOf(groupOfColumn, groups.length), [scales]);
  const jumps = useMemo(() => {
    let changes = 0;
    for (let column = 1; column < groupOfColumn.length; column++) {
      if (groupOfColumn[column] !== groupOfColumn[column - 1]) changes++;
    }
    return changes;
  }, [scales]);
  const isScattered = jumps >= groups.length && groups.length > 1;
  const isEven = counts.every((count, group) => count === counts[0] || group === counts.length - 1);
  return (
    <section aria-label={text.title} class="groups">
      <h4>{text.title}</h4>
      <p>
        {groups.length <= 1
          ? text.one
          : isScattered
            ? text.scattered(jumps, groups.length)
            : isEven
              ? text.consecutive(figure(counts[0] ?? 0))
              : text.mixed}
      </p>
      {isScattered ? <ScatteredGroups scales={scales} counts={counts} /> : null}
    </section>
  );
}

interface ScatteredGroupsProps {
  readonly scales: ScaleFigures;
  readonly counts: Int32Array;
}

function ScatteredGroups({ scales: { groupOfColumn, groups }, counts }: ScatteredGroupsProps): JSX.Element {
  const text = strings.tensor.groups;
  const colour = useCallback(
    (group: number): Colour => sequentialColour(group / Math.max(1, groups.length - 1)),
    [groups.length],
  );
  const members = useMemo(() => {
    const lists = Array.from({ length: Math.min(MOST_ROWS, groups.length) }, (): number[] => []);
    groupOfColumn.forEach((group, column) => {
      const list = lists[group];
      if (list !== undefined && list.length < MOST_NAMED) list.push(column);
    });
    return lists;
  }, [groupOfColumn, groups.length]);
  return (
    <>
      <Strip label={text.strip} values={groupOfColumn} colour={colour} describe={text.column} />
      <Legend label={text.legend} ticks={["0", String(groups.length - 1)]} colour={sequentialColour} />
      <Numbers
        caption={text.table}
        columns={[
          { name: strings.tensor.scales.group, isNumber: true },
          { name: strings.tensor.scales.columnCount, isNumber: true },
          { name: text.columnsOf },
        ]}
        rows={members.map((list, group) => {
          const count = counts[group] ?? 0;
          return [
            String(group),
            figure(count),
            `${list.join(", ")}${count > list.length ? strings.pictures.more(count - list.length) : ""}`,
          ];
        })}
      />
      {groups.length <= MOST_ROWS ? null : (
        <p class="quiet">{strings.tensor.scales.some(MOST_ROWS, groups.length)}</p>
      )}
    </>
  );
}
