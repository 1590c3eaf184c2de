import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import { bitsOf, type MapCell, type RoleMap, roleMap } from "../pictures/role-map.ts";
import { showTensor } from "../state/tensor.ts";
import { strings } from "../strings.ts";
import { cssColour, inkOn, sequentialColour } from "../ui/colours.ts";
import { Legend } from "../ui/legend.tsx";
import { byteQuantity, shapeText } from "../ui/quantity.ts";

/** Steps of one bit from 1 to 8, and all from 8 to 32 within one step more. */
function shareOfBits(bits: number): number {
  const steps = bits <= 8 ? bits - 1 : 7 + Math.log(bits / 8) / Math.log(4);
  return Math.max(0, steps) / 8;
}

const ticks = ["1", "2", "3", "4", "5", "6", "7", "8", "32"];

/** Pictures of the whole model, from headers alone. */
export function Pictures({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.pictures;
  const map = useMemo(() => roleMap(model.tensors), [model.tensors]);
  if (map.rows.length === 0) return <p class="quiet">{text.nothing}</p>;
  return (
    <section>
      <div class="row picture-head">
        <h2>{text.map}</h2>
        <Legend label={text.legend} ticks={ticks} colour={sequentialColour} />
      </div>
      <MapGrid map={map} modelId={model.id} />
      {map.hiddenLayers === 0 ? null : <p class="quiet">{text.hidden(map.hiddenLayers)}</p>}
    </section>
  );
}

interface Place {
  readonly row: number;
  readonly column: number;
}

/** Keys that move the active cell: rows, columns. */
const steps: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  PageDown: [10, 0],
  PageUp: [-10, 0],
  Home: [0, Number.NEGATIVE_INFINITY],
  End: [0, Number.POSITIVE_INFINITY],
};

function clamped(value: number, count: number): number {
  return Math.max(0, Math.min(count - 1, value));
}

function MapGrid({ map, modelId }: { readonly map: RoleMap; readonly modelId: number }): JSX.Element {
  const text = strings.pictures;
  const id = useId();
  const [active, setActive] = useState<Place>(() => ({
    row: 0,
    column: Math.max(0, map.rows[0]?.cells.findIndex((cell) => cell !== undefined) ?? 0),
  }));
  const cellId = ({ row, column }: Place): string => `${id}-${String(row)}-${String(column)}`;
  const cellAt = ({ row, column }: Place): MapCell | undefined => map.rows[row]?.cells[column];
  const choose = (place: Place): void => {
    const first = cellAt(place)?.tensors[0];
    if (first !== undefined) showTensor(modelId, first.name);
  };
  const move = (event: KeyboardEvent): void => {
    if (event.key === "Enter") choose(active);
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = {
      row: clamped(active.row + step[0], map.rows.length),
      column: clamped(active.column + step[1], map.roles.length),
    };
    setActive(next);
    document.getElementById(cellId(next))?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  return (
    <>
      <div class="role-map" role="group" aria-label={text.map}>
        <table
          role="grid"
          aria-label={text.map}
          aria-activedescendant={cellId(active)}
          tabIndex={0}
          onKeyDown={move}
        >
          <thead>
            <tr>
              <th scope="col">{text.layer}</th>
              {map.roles.map((role) => (
                <th key={role} scope="col">
                  {role}
                </th>
              ))}
              <th scope="col">{text.all}</th>
            </tr>
          </thead>
          <tbody>
            {map.rows.map(({ layer, cells, total }, row) => (
              <tr key={String(layer)}>
                <th scope="row">{layer ?? text.outside}</th>
                {cells.map((cell, column) => (
                  <BitsCell
                    key={map.roles[column]}
                    id={cellId({ row, column })}
                    cell={cell}
                    isActive={row === active.row && column === active.column}
                    onChoose={() => {
                      setActive({ row, column });
                      choose({ row, column });
                    }}
                    onPoint={() => setActive({ row, column })}
                  />
                ))}
                <td class="total">{bitsOf(total).toFixed(2)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{text.all}</th>
              {map.totals.map((total, column) => (
                <td key={map.roles[column]} class="total">
                  {bitsOf(total).toFixed(2)}
                </td>
              ))}
              <td class="total" />
            </tr>
          </tfoot>
        </table>
      </div>
      <p class="pointed" role="status">
        {cellText(cellAt(active))}
      </p>
      <p class="quiet small">{text.mapHint}</p>
    </>
  );
}

/** What a cell stands for. */
function cellText(cell: MapCell | undefined): string {
  const text = strings.pictures;
  const [first] = cell?.tensors ?? [];
  if (cell === undefined || first === undefined) return text.noCell;
  const count = cell.tensors.length - 1;
  const bits = first.byteLength * 8;
  const all = elementCount(first.shape);
  return `${first.name}: ${first.encoding}, ${shapeText(first.shape)}, ${byteQuantity(first.byteLength)}, ${(all === 0 ? 0 : bits / all).toFixed(2)} ${strings.tensors.columns.bitsPerWeight.toLowerCase()}${count === 0 ? "" : text.more(count)}`;
}

interface BitsCellProps {
  readonly id: string;
  readonly cell: MapCell | undefined;
  readonly isActive: boolean;
  onChoose(): void;
  onPoint(): void;
}

function BitsCell({ id, cell, isActive, onChoose, onPoint }: BitsCellProps): JSX.Element {
  const className = `bits${isActive ? " active" : ""}`;
  if (cell === undefined) return <td id={id} role="gridcell" class={className} aria-selected={isActive} />;
  const bits = bitsOf(cell);
  const colour = sequentialColour(shareOfBits(bits));
  return (
    <td
      id={id}
      role="gridcell"
      class={`${className} known`}
      aria-selected={isActive}
      style={{ backgroundColor: cssColour(colour), color: inkOn(colour) }}
      onClick={onChoose}
      onPointerEnter={onPoint}
    >
      {bits.toFixed(bits < 10 ? 2 : 1)}
    </td>
  );
}
