import { bounded } from "@requant/core/text";
import { displayWidth, fitted, padded } from "./text.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** No cell is wider: one long name must not pad every other row to its length. */
const WIDEST_CELL = 120;
const LONGEST_FACT = 500;

/**
 * Columns padded to their widest cell, two spaces apart. Cells are made printable, and a text that is too wide loses its
 * middle: `--json` has all of it.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }) => displayWidth(title));
  const cells = rows.map((row) =>
    columns.map((_, i) => {
      const cell = fitted(row[i] ?? "", WIDEST_CELL);
      widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell));
      return cell;
    }),
  );
  const line = (row: readonly string[]): string =>
    columns
      .map(({ align }, i) => padded(row[i] ?? "", widths[i] ?? 0, align))
      .join("  ")
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join("\n");
}

/** `label: value` lines with the values in one column. */
export function facts(pairs: readonly (readonly [label: string, value: string])[]): string {
  const width = pairs.reduce((most, [label]) => Math.max(most, displayWidth(label)), 0);
  return pairs
    .map(([label, value]) => `${padded(label, width)}  ${bounded(value, LONGEST_FACT)}`.trimEnd())
    .join("\n");
}
