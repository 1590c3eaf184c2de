import { rowCount, rowLength } from "@requant/core";
import type { JSX } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { call, refusalFrom } from "../../../host/client.ts";
import type { OpenedModel } from "../../../host/methods/open.ts";
import type { Refusal } from "../../../host/protocol.ts";
import { strings } from "../../../strings.ts";
import { type Colour, divergingColour } from "../../../ui/colours.ts";
import { Legend } from "../../../ui/legend.tsx";
import { figure } from "../../../ui/quantity.ts";
import { useTheme } from "../../../ui/use-theme.ts";
import { useWidth } from "../../../ui/use-width.ts";
import { Findings } from "../../findings.tsx";
import { Around } from "./around.tsx";
import { Controls } from "./controls.tsx";
import { movesByKey, type Place } from "./moves.ts";
import { firstLimit, paintCursor, paintTensor, shadesOf, valueAt } from "./paint.ts";
import { Strips } from "./strips.ts";
import {
  firstViewport,
  insideTensor,
  pixelsPerWeight,
  type Size,
  showing,
  stepOf,
  type Viewport,
  visibleRows,
  visibleStrips,
  wholeWidth,
  zoomed,
} from "./viewport.ts";

interface HeatMapProps {
  readonly modelId: number;
  readonly tensor: OpenedModel["tensors"][number];
}

/** A part of the window, so that the rest of the page can be reached. */
const mostHeight = (): number => Math.max(480, Math.floor(innerHeight / 2));
const LEAST_HEIGHT = 64;

/** The weights of one tensor as colours. Only rows that can be seen are read. */
export function HeatMap({ modelId, tensor: { name, shape } }: HeatMapProps): JSX.Element {
  const text = strings.tensor.heat;
  const tensor: Size = useMemo(() => ({ width: rowLength(shape), height: rowCount(shape) }), [shape]);
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(place);
  const theme = useTheme();
  const shades = useMemo(() => shadesOf(theme), [theme]);
  const [turn, redraw] = useReducer((count: number) => count + 1, 0);
  const [refusal, setRefusal] = useState<Refusal | undefined>(undefined);
  const [wanted, setView] = useState<Viewport | undefined>(undefined);
  const [cursor, setCursor] = useState<Place>({ row: 0, column: 0 });
  const [pointed, setPointed] = useState<Place | undefined>(undefined);
  const [chosenLimit, setLimit] = useState<number | undefined>(undefined);
  const drag = useRef<{ readonly x: number; readonly y: number; readonly view: Viewport } | undefined>(
    undefined,
  );
  const strips = useMemo(
    () =>
      new Strips(tensor.height, (start, end, step, signal) =>
        call("tensorRows", { id: modelId, name, start, end, step }, { signal }),
      ),
    [modelId, name],
  );

  const start = width === 0 ? undefined : firstViewport(tensor.width, width);
  const height =
    start === undefined
      ? LEAST_HEIGHT
      : Math.max(LEAST_HEIGHT, Math.min(mostHeight(), tensor.height * pixelsPerWeight(start)));
  const size: Size = { width, height };
  const view = start === undefined ? undefined : insideTensor(wanted ?? start, tensor, size);

  useEffect(() => {
    strips.onChange = () => redraw(undefined);
    strips.onError = (error) => setRefusal(refusalFrom(error));
    return () => strips.stop();
  }, [strips]);
  useEffect(() => {
    if (view !== undefined && refusal === undefined) strips.show(visibleStrips(view, tensor.height, size));
  });

  // where the colours end stays the same while a person moves
  const first = view === undefined ? undefined : strips.strip(stepOf(view), 0);
  const foundLimit = useRef<number | undefined>(undefined);
  if (foundLimit.current === undefined && first !== undefined) foundLimit.current = firstLimit(first.values);
  const limit = chosenLimit ?? foundLimit.current ?? 1;

  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context === null || context === undefined || view === undefined) return;
    paintTensor(context, strips, { view, tensor, limit, shades });
    paintCursor(context, view, cursor.column, cursor.row, theme === "dark" ? "white" : "black");
  }, [turn, view?.zoom, view?.left, view?.top, width, height, limit, shades, cursor]);

  const legendColour = useCallback((share: number): Colour => divergingColour(share * 2 - 1, theme), [theme]);
  if (tensor.width === 0 || tensor.height === 0) return <p class="quiet">{strings.pictures.nothing}</p>;

  const moveCursor = (next: Place): void => {
    const inside = {
      row: Math.max(0, Math.min(tensor.height - 1, next.row)),
      column: Math.max(0, Math.min(tensor.width - 1, next.column)),
    };
    setCursor(inside);
    if (view !== undefined) setView(showing(view, inside.column, inside.row, size));
  };
  const zoomBy = (steps: number, x?: number, y?: number): void => {
    if (view === undefined) return;
    const scale = pixelsPerWeight(view);
    const next = zoomed(
      view,
      steps,
      x ?? (cursor.column - view.left) * scale,
      y ?? (cursor.row - view.top) * scale,
    );
    setView(next);
  };
  const moveView = (across: number, down: number): void => {
    if (view === undefined) return;
    const scale = pixelsPerWeight(view);
    setView({
      ...view,
      left: view.left + (across * width) / scale,
      top: view.top + (down * height) / scale,
    });
  };
  const key = (event: KeyboardEvent): void => {
    if (view === undefined || event.target !== event.currentTarget) return;
    if (event.key === "+" || event.key === "=") zoomBy(1);
    else if (event.key === "-") zoomBy(-1);
    else if (event.key === "0") setView(wholeWidth(view, tensor.width, width));
    else {
      const next = movesByKey(event, cursor, { view, size, tensor });
      if (next === undefined) return;
      moveCursor(next);
    }
    event.preventDefault();
  };
  const wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && document.activeElement !== event.currentTarget) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1 : -1, event.offsetX, event.offsetY);
  };
  const placeOf = ({ offsetX, offsetY }: PointerEvent): Place | undefined => {
    if (view === undefined) return undefined;
    const scale = pixelsPerWeight(view);
    const found = {
      row: Math.floor(view.top + offsetY / scale),
      column: Math.floor(view.left + offsetX / scale),
    };
    return found.row < tensor.height && found.column < tensor.width ? found : undefined;
  };
  const point = (event: PointerEvent): void => {
    const { current } = drag;
    if (current !== undefined) {
      const scale = pixelsPerWeight(current.view);
      setView({
        ...current.view,
        left: current.view.left - (event.offsetX - current.x) / scale,
        top: current.view.top - (event.offsetY - current.y) / scale,
      });
    }
    setPointed(placeOf(event));
  };
  const cellText = ({ row, column }: Place): string => {
    if (view === undefined) return "";
    const value = valueAt(strips, view, column, row);
    return text.cell(
      row.toLocaleString("en"),
      column.toLocaleString("en"),
      value === undefined ? text.notRead : figure(value),
    );
  };
  const [firstRow, endRow] = view === undefined ? [0, 0] : visibleRows(view, tensor.height, size);
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <Controls
        view={view}
        cursor={cursor}
        limit={limit}
        onZoom={(steps) => zoomBy(steps)}
        onWhole={() => view !== undefined && setView(wholeWidth(view, tensor.width, width))}
        onMove={moveView}
        onCursor={moveCursor}
        onLimit={setLimit}
      />
      <div
        ref={place}
        role="group"
        aria-label={text.label(name)}
        class="heat-map"
        tabIndex={0}
        onKeyDown={key}
        onWheel={wheel}
      >
        <canvas
          ref={canvas}
          role="img"
          aria-label={text.label(name)}
          width={Math.max(1, width)}
          height={height}
          onPointerDown={(event) => {
            if (view === undefined) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            drag.current = { x: event.offsetX, y: event.offsetY, view };
            const found = placeOf(event);
            if (found !== undefined) setCursor(found);
          }}
          onPointerMove={point}
          onPointerUp={() => {
            drag.current = undefined;
          }}
          onPointerCancel={() => {
            drag.current = undefined;
          }}
          onPointerLeave={() => setPointed(undefined)}
        />
      </div>
      <div class="row heat-foot">
        <p class="pointed" role="status">
          {cellText(pointed ?? cursor)}
        </p>
        <p class="quiet">
          {text.shown(firstRow, Math.max(firstRow, endRow - 1), tensor.height)}
          {strips.isReading ? ` · ${text.reading}` : ""}
        </p>
        <Legend
          label={text.legend}
          ticks={[`≤ ${figure(-limit)}`, "0", `≥ ${figure(limit)}`]}
          colour={legendColour}
        />
      </div>
      {refusal === undefined ? null : <Findings findings={[refusal]} />}
      {view === undefined ? null : (
        <Around
          cursor={cursor}
          tensor={tensor}
          step={stepOf(view)}
          valueAt={({ row, column }) => valueAt(strips, view, column, row)}
        />
      )}
      <p class="quiet">{text.hint}</p>
    </section>
  );
}
