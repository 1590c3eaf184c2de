import type { ComponentChildren, JSX } from "preact";

interface Column {
  readonly name: string;
  readonly isNumber?: boolean;
}

interface TableProps {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}

/** A small table of figures with a caption that can be seen. */
export function Table({ caption, columns, rows }: TableProps): JSX.Element {
  const cellClass = (index: number): string => (columns[index]?.isNumber === true ? "number" : "");
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name }, index) => (
              <th key={name} scope="col" class={cellClass(index)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, number) => (
            // rows never change places
            <tr key={String(number)}>
              {row.map((cell, index) => (
                <td key={columns[index]?.name} class={cellClass(index)}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
