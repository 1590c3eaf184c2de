import { bounded } from "@requant/core/text";
import { type Look, lookOf } from "./look.ts";
import { displayWidth, fitted, padded, wrapped } from "./width.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Prose: too wide a cell is divided at its blanks. */
  readonly wrap?: boolean;
}

/** No cell is wider: one long name must not pad every other row to its length. */
const WIDEST_CELL = 120;
const LONGEST_FACT = 500;
/** Prose gets no narrower. */
const LEAST_PROSE = 16;
const GAP = "  ";

/**
 * Columns padded to their widest cell, two blanks apart, in lines that fit the look's width. Where they do not fit, prose is
 * divided at its blanks; then a row whose first cell is too wide has a line for that cell, and one for the others. Cells are
 * made printable, and a text that no line holds loses its middle: `--json` has all of it.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  look: Look = lookOf(),
): string {
  const cells = rows.map((row) => columns.map((_, i) => fitted(row[i] ?? "", WIDEST_CELL)));
  const widths = widthsOf(columns, cells, look.width);
  const line = (row: readonly string[]): string =>
    columns
      .map(({ align }, i) => padded(row[i] ?? "", widths[i] ?? 0, align))
      .join(GAP)
      .trimEnd();
  const body = cells.flatMap((row) => {
    const [first = "", ...rest] = row;
    if (displayWidth(first) <= (widths[0] ?? 0) || columns[0]?.wrap === true) return rowLines(row);
    return [fitted(first, look.width), ...rowLines(["", ...rest])];
  });
  /** One line, or as many as the prose of the row needs. */
  function rowLines(row: readonly string[]): string[] {
    const parts = row.map((cell, i) => (columns[i]?.wrap === true ? wrapped(cell, widths[i] ?? 0) : [cell]));
    const count = parts.reduce((most, { length }) => Math.max(most, length), 1);
    return Array.from({ length: count }, (_, at) => line(parts.map((part) => part[at] ?? "")));
  }
  return [look.colors.bold(line(columns.map(({ title }) => title))), ...body].join("\n");
}

function widthsOf(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  width: number,
): readonly number[] {
  const widths = columns.map(({ title }) => displayWidth(title));
  for (const row of cells) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell));
  }
  const excess = (): number =>
    widths.reduce((sum, each) => sum + each, GAP.length * (columns.length - 1)) - width;
  for (const [i, { title, wrap }] of columns.entries()) {
    if (wrap !== true || excess() <= 0) continue;
    const own = widths[i] ?? 0;
    widths[i] = Math.min(own, Math.max(LEAST_PROSE, displayWidth(title), own - excess()));
  }
  const [first = 0] = widths;
  if (excess() > 0) widths[0] = Math.max(displayWidth(columns[0]?.title ?? ""), first - excess());
  return widths;
}

/** `label: value` lines with the values in one column, divided at blanks where they are too long. */
export function facts(
  pairs: readonly (readonly [label: string, value: string])[],
  look: Look = lookOf(),
): string {
  const width = pairs.reduce((most, [label]) => Math.max(most, displayWidth(label)), 0);
  return pairs
    .flatMap(([label, value]) =>
      wrapped(bounded(value, LONGEST_FACT), Math.max(LEAST_PROSE, look.width - width - GAP.length)).map(
        (part, at) => `${look.colors.dim(padded(at === 0 ? label : "", width))}${GAP}${part}`.trimEnd(),
      ),
    )
    .join("\n");
}

/** Sentences in lines that fit, those after the first behind a margin. */
export function paragraph(text: string, look: Look = lookOf(), margin = ""): string {
  return wrapped(text, look.width - margin.length).join(`\n${margin}`);
}
