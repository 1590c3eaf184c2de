/** Which part of a tensor a heat map shows, and how large. */
import { STRIP_HEIGHT, type VisibleStrips } from "./strips.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Viewport {
  /** A weight is 2^zoom pixels wide and high; below 0 a pixel stands for several. */
  readonly zoom: number;
  /** The column and row at the left and at the top. */
  readonly left: number;
  readonly top: number;
}

export const LEAST_ZOOM = -4;
export const MOST_ZOOM = 5;

export const pixelsPerWeight = ({ zoom }: Viewport): number => 2 ** zoom;
/** Weights along the side of a cell. */
export const stepOf = ({ zoom }: Viewport): number => 2 ** Math.max(0, -zoom);

/** One pixel a weight, or larger where the tensor is small enough for its whole width to be seen. */
export function firstViewport(columns: number, width: number): Viewport {
  const fitting = Math.floor(Math.log2(width / Math.max(1, columns)));
  return { zoom: Math.max(0, Math.min(3, fitting)), left: 0, top: 0 };
}

/** As much of the width as can be seen at once. */
export function wholeWidth(view: Viewport, columns: number, width: number): Viewport {
  const fitting = Math.floor(Math.log2(width / Math.max(1, columns)));
  return { ...view, zoom: Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, fitting)), left: 0 };
}

/** Inside the tensor, on whole cells. `tensor`: columns and rows. */
export function insideTensor(view: Viewport, tensor: Size, size: Size): Viewport {
  const scale = pixelsPerWeight(view);
  const step = stepOf(view);
  const clamp = (at: number, count: number, pixels: number): number => {
    const last = Math.max(0, count - Math.floor(pixels / scale));
    const clamped = Math.max(0, Math.min(last, at));
    return clamped === last ? Math.ceil(clamped / step) * step : Math.floor(clamped / step) * step;
  };
  return {
    zoom: view.zoom,
    left: clamp(Math.round(view.left), tensor.width, size.width),
    top: clamp(Math.round(view.top), tensor.height, size.height),
  };
}

/** Zooms by `steps` doublings around a point, in pixels from the corner. */
export function zoomed(view: Viewport, steps: number, x: number, y: number): Viewport {
  const zoom = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, view.zoom + steps));
  const [before, after] = [pixelsPerWeight(view), 2 ** zoom];
  return {
    zoom,
    left: view.left + x / before - x / after,
    top: view.top + y / before - y / after,
  };
}

/** Moves so that a weight can be seen. */
export function showing(view: Viewport, column: number, row: number, size: Size): Viewport {
  const scale = pixelsPerWeight(view);
  const moved = (at: number, place: number, pixels: number): number => {
    const count = Math.max(1, Math.floor(pixels / scale));
    return place < at ? place : place >= at + count ? place - count + 1 : at;
  };
  return {
    zoom: view.zoom,
    left: moved(view.left, column, size.width),
    top: moved(view.top, row, size.height),
  };
}

/** Rows that can be seen, half-open. */
export function visibleRows(
  view: Viewport,
  rows: number,
  { height }: Size,
): readonly [start: number, end: number] {
  return [view.top, Math.min(rows, Math.ceil(view.top + height / pixelsPerWeight(view)))];
}

export function visibleStrips(view: Viewport, rows: number, size: Size): VisibleStrips {
  const step = stepOf(view);
  const [start, end] = visibleRows(view, rows, size);
  const height = STRIP_HEIGHT * step;
  return { step, first: Math.floor(start / height), end: Math.ceil(end / height) };
}
