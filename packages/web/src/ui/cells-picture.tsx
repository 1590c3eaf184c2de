import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Cells } from "../host/figures/scales.ts";
import { type Colour, paint } from "./colours.ts";

interface CellsPictureProps {
  readonly label: string;
  readonly cells: Cells;
  /** In pixels; the width is that of the place where the picture stands. */
  readonly height: number;
  colour(value: number): Colour;
  /** What the cell under the pointer is. */
  describe(column: number, row: number): string;
}

/** A picture with one colour for each number. What the pointer is on is written below it. */
export function CellsPicture({ label, cells, height, colour, describe }: CellsPictureProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pointed, setPointed] = useState("");
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context === null || context === undefined || cells.width === 0 || cells.height === 0) return;
    const image = context.createImageData(cells.width, cells.height);
    for (let cell = 0; cell < cells.values.length; cell++) {
      paint(image.data, cell * 4, colour(cells.values[cell] ?? 0));
    }
    context.putImageData(image, 0, 0);
  }, [cells, colour]);
  const point = ({ offsetX, offsetY }: PointerEvent): void => {
    const { clientWidth = 1, clientHeight = 1 } = canvas.current ?? {};
    const column = Math.floor((offsetX / clientWidth) * cells.width);
    const row = Math.floor((offsetY / clientHeight) * cells.height);
    const isInside = column >= 0 && column < cells.width && row >= 0 && row < cells.height;
    setPointed(isInside ? describe(column, row) : "");
  };
  return (
    <>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        class="cells-picture"
        width={cells.width}
        height={cells.height}
        style={{ height: `${String(height)}px` }}
        onPointerMove={point}
        onPointerLeave={() => setPointed("")}
      />
      <p class="pointed">{pointed}</p>
    </>
  );
}
