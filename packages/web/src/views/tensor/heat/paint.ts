/** Paints the part of a tensor that a heat map shows. */
import { type Colour, divergingColour, notFiniteColour } from "../../../ui/colours.ts";
import { STRIP_HEIGHT, type Strips } from "./strips.ts";
import { pixelsPerWeight, type Size, stepOf, type Viewport } from "./viewport.ts";

/** Colours of the scale, from −limit to limit, as a canvas has them. */
const SHADES = 511;

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

function word([red, green, blue]: Colour): number {
  return isLittleEndian
    ? ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | 255) >>> 0;
}

export type Shades = Uint32Array;

export function shadesOf(theme: "light" | "dark"): Shades {
  return Uint32Array.from({ length: SHADES }, (_, shade) =>
    word(divergingColour((shade - (SHADES - 1) / 2) / ((SHADES - 1) / 2), theme)),
  );
}

const NOT_FINITE = word(notFiniteColour);

/** The value at a place, or the largest of its cell; undefined where it was not read. */
export function valueAt(strips: Strips, view: Viewport, column: number, row: number): number | undefined {
  const step = stepOf(view);
  const cellRow = Math.floor(row / step);
  const cells = strips.strip(step, Math.floor(cellRow / STRIP_HEIGHT));
  return cells?.values[(cellRow % STRIP_HEIGHT) * cells.width + Math.floor(column / step)];
}

interface Picture {
  readonly view: Viewport;
  /** Columns and rows of the tensor. */
  readonly tensor: Size;
  /** Values beyond this have the colour of the end of the scale. */
  readonly limit: number;
  readonly shades: Shades;
}

/** What was not read, and what is outside of the tensor, stays transparent. */
export function paintTensor(context: CanvasRenderingContext2D, strips: Strips, picture: Picture): void {
  const { view, tensor, limit, shades } = picture;
  const { width, height } = context.canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const scale = pixelsPerWeight(view);
  const step = stepOf(view);
  const across = Math.min(width, Math.ceil((tensor.width - view.left) * scale));
  const down = Math.min(height, Math.ceil((tensor.height - view.top) * scale));
  const half = (SHADES - 1) / 2;
  const cellOfPixel = Int32Array.from({ length: Math.max(0, across) }, (_, x) =>
    Math.floor((view.left + x / scale) / step),
  );
  for (let y = 0; y < down; y++) {
    const cellRow = Math.floor((view.top + y / scale) / step);
    const cells = strips.strip(step, Math.floor(cellRow / STRIP_HEIGHT));
    if (cells === undefined) continue;
    const from = (cellRow % STRIP_HEIGHT) * cells.width;
    for (let x = 0; x < across; x++) {
      const value = cells.values[from + (cellOfPixel[x] ?? 0)] ?? 0;
      const share = limit > 0 ? value / limit : 0;
      pixels[y * width + x] = Number.isFinite(value)
        ? (shades[Math.round((Math.max(-1, Math.min(1, share)) + 1) * half)] ?? 0)
        : NOT_FINITE;
    }
  }
  context.putImageData(image, 0, 0);
}

/** A border around the cell of a place, at least five pixels wide. */
export function paintCursor(
  context: CanvasRenderingContext2D,
  view: Viewport,
  column: number,
  row: number,
  colour: string,
): void {
  const scale = pixelsPerWeight(view);
  const step = stepOf(view);
  const middle = (place: number, first: number): number =>
    (Math.floor(place / step) * step - first + step / 2) * scale;
  const size = Math.max(5, scale * step) + 2;
  const x = middle(column, view.left);
  const y = middle(row, view.top);
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.strokeRect(x - size / 2, y - size / 2, size, size);
}

/** Four times the root of the mean square of some cells, to two digits: where the colours end at first. */
export function firstLimit(values: Float32Array): number {
  let [sum, count] = [0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += value * value;
    count += 1;
  }
  return count === 0 || sum === 0 ? 1 : Number((4 * Math.sqrt(sum / count)).toPrecision(2));
}
