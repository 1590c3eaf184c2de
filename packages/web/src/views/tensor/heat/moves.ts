/** How keys move the cursor of a heat map. */
import { pixelsPerWeight, type Size, stepOf, type Viewport } from "./viewport.ts";

export interface Place {
  readonly row: number;
  readonly column: number;
}

interface Shown {
  readonly view: Viewport;
  readonly size: Size;
  readonly tensor: Size;
}

/** Rows and columns, each in cells; with Shift in parts of the view. */
const arrows: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** Undefined for a key that moves nothing. */
export function movesByKey(
  { key, shiftKey }: Pick<KeyboardEvent, "key" | "shiftKey">,
  { row, column }: Place,
  { view, size, tensor }: Shown,
): Place | undefined {
  const scale = pixelsPerWeight(view);
  const page: Place = {
    row: Math.max(1, Math.floor(size.height / scale)),
    column: Math.max(1, Math.floor(size.width / scale)),
  };
  const arrow = arrows[key];
  if (arrow !== undefined) {
    const step = shiftKey ? page : { row: stepOf(view), column: stepOf(view) };
    return { row: row + arrow[0] * step.row, column: column + arrow[1] * step.column };
  }
  const others: Readonly<Record<string, Place>> = {
    PageUp: { row: row - page.row, column },
    PageDown: { row: row + page.row, column },
    Home: { row, column: 0 },
    End: { row, column: tensor.width - 1 },
  };
  return others[key];
}
