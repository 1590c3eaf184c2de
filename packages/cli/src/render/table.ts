import { printable } from "./text.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** Columns padded to their widest cell, two spaces apart; cells are made printable. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => columns.map((_, i) => printable(row[i] ?? "")));
  const widths = columns.map((column, i) =>
    cells.reduce((width, row) => Math.max(width, (row[i] ?? "").length), column.title.length),
  );
  const line = (row: readonly string[]): string =>
    columns
      .map((column, i) => {
        const width = widths[i] ?? 0;
        const cell = row[i] ?? "";
        return column.align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join("\n");
}

/** `label: value` lines with the values in one column. */
export function facts(pairs: readonly (readonly [label: string, value: string])[]): string {
  const width = pairs.reduce((most, [label]) => Math.max(most, label.length), 0);
  return pairs.map(([label, value]) => `${label.padEnd(width)}  ${printable(value)}`.trimEnd()).join("\n");
}
